import { Body, Controller, Get, Headers, Inject, Param, Post, Res } from '@nestjs/common';
import {
  ApiBody,
  ApiConsumes,
  ApiOperation,
  ApiParam,
  ApiProduces,
  ApiResponse,
  ApiTags,
} from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { AnswerLinks, type AnswerClaims } from '#libs/answer-links/answer-links.js';
import { ERRORS } from '#libs/domain/errors.js';
import { systemClock } from '#libs/runtime/clock.js';
import { answerOf, type Sent } from './answer-form.js';
import { messagePage, PAGE_HEADERS, questionPage } from './answer-page.js';
import { Answering } from './answering.js';
import { schemaRef } from './http/openapi-schemas.js';
import { ApiError } from './http/problem.js';
import { stepIdOf, taskIdOf } from './http/request-parts.js';
import { TEXT } from './http/short-text.js';
import { LinkDto } from './inbox.dto.js';

const HTML = { 'text/html': { schema: { type: 'string' } } } as const;
const TOKEN = { name: 'token', description: 'Signed; it is the right to answer.' };

type Page = { readonly status: number; readonly html: string };

/** Questions that are answered by a link, in a page that needs no script and no key. */
@ApiTags('people')
@Controller('api/v1')
export class AnswersController {
  constructor(
    @Inject(Answering) private readonly answering: Answering,
    @Inject(AnswerLinks) private readonly links: AnswerLinks,
  ) {}

  @Post('tasks/:id/steps/:stepId/link')
  @ApiOperation({
    summary: 'Make a link by which a question can be answered once, without a key',
    description:
      'It holds for a week, or until the question ends. Whoever has it can answer: pass it on as a password.',
  })
  @ApiParam({ name: 'id' })
  @ApiParam({ name: 'stepId' })
  @ApiResponse({ status: 201, description: 'The link.', schema: schemaRef('AnswerLink') })
  async link(
    @Param('id') id: string,
    @Param('stepId') stepId: string,
    @Body() { by }: LinkDto,
  ): Promise<object> {
    const { taskId, waitingSeq, until, ...question } = await this.answering.question(
      taskIdOf(id),
      stepIdOf(stepId),
    );
    const to = { taskId, stepId: question.stepId, waitingSeq };
    const given = { nowMs: systemClock.nowMs(), until, ...(by === undefined ? {} : { by }) };
    const { url, expiresAtMs } = this.links.linkFor(to, given);
    return { url, expires_at: new Date(expiresAtMs).toISOString() };
  }

  @Get('answers/:token')
  @ApiOperation({ summary: 'The question of a link, as a page' })
  @ApiParam(TOKEN)
  @ApiProduces('text/html')
  @ApiResponse({ status: 200, description: 'A page with a form.', content: HTML })
  async show(@Param('token') token: string, @Res() reply: FastifyReply): Promise<void> {
    await send(reply, async () => {
      const claims = this.#claims(token);
      return { status: 200, html: questionPage(await this.#question(claims), claims.by) };
    });
  }

  @Post('answers/:token')
  @ApiOperation({ summary: 'Answer the question of a link by its form' })
  @ApiParam(TOKEN)
  @ApiConsumes('application/x-www-form-urlencoded')
  @ApiBody({ schema: { type: 'object' } })
  @ApiProduces('text/html')
  @ApiResponse({ status: 200, description: 'The answer counts; a page that says so.', content: HTML })
  async answer(
    @Param('token') token: string,
    @Body() body: unknown,
    @Headers('traceparent') traceparent: string | undefined,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    await send(reply, () => this.#answered(this.#claims(token), sentOf(body), traceparent));
  }

  async #answered(claims: AnswerClaims, sent: Sent, traceparent: string | undefined): Promise<Page> {
    const question = await this.#question(claims);
    const again = (wrong: readonly string[]): Page => ({
      status: 422,
      html: questionPage(question, claims.by, { sent, wrong }),
    });
    const by = claims.by ?? sent['by'] ?? '';
    const comment = sent['comment'] ?? '';
    if (!TEXT.test(by)) return again(['Your name is missing, or has more than 500 characters.']);
    if (comment !== '' && !TEXT.test(comment)) return again(['The comment has more than 500 characters.']);
    const { taskId, stepId, waitingSeq } = claims;
    const answer = { ...answerOf(question, sent), by, comment: comment === '' ? null : comment, waitingSeq };
    try {
      const counts = await this.answering.answer(taskId, stepId, answer, traceparent);
      return counts
        ? { status: 200, html: messagePage('Thank you', 'Your answer counts, and the task goes on.') }
        : { status: 202, html: messagePage('Thank you', 'Your answer is stored and will be decided about.') };
    } catch (error) {
      if (error instanceof ApiError && error.code === 'ANSWER_INVALID')
        return again(error.errors.map(({ path, message }) => `${path}: ${message}`));
      throw error;
    }
  }

  #claims(token: string): AnswerClaims {
    const claims = this.links.verify(token, systemClock.nowMs());
    if (claims !== null && claims !== 'expired') return claims;
    const why = claims === null ? 'This link is not one that was made here.' : 'This link holds no more.';
    throw new ApiError('ANSWER_LINK_INVALID', `${why} Ask for another one.`);
  }

  async #question({ taskId, stepId, waitingSeq }: AnswerClaims) {
    const question = await this.answering.question(taskId, stepId);
    if (question.waitingSeq === waitingSeq) return question;
    throw new ApiError('STEP_NOT_WAITING', `Step '${stepId}' of task ${taskId} asks something else by now.`);
  }
}

/** A form has each field once; of several with one name the last counts. */
const sentOf = (body: unknown): Sent =>
  Object.fromEntries(
    Object.entries((body ?? {}) as Readonly<Record<string, unknown>>).flatMap(([name, value]) =>
      typeof value === 'string' ? [[name, value]] : [],
    ),
  );

/** People are told in a page what a program is told in a problem. */
const send = async (reply: FastifyReply, make: () => Promise<Page>): Promise<void> => {
  const { status, html } = await make().catch((error: unknown): Page => {
    if (!(error instanceof ApiError)) throw error;
    const { http, title } = ERRORS[error.code];
    return { status: http, html: messagePage(title, error.message) };
  });
  await reply.status(status).headers(PAGE_HEADERS).send(html);
};
