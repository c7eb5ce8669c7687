import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, Matches } from 'class-validator';
import type { MoveTo } from '#libs/domain/task/move-events.js';
import { ApiError } from './http/problem.js';
import { TEXT, TEXT_SAYS } from './http/short-text.js';
import { Optional } from './http/validation.js';
import { ID, ID_SAYS } from './submit-task.dto.js';

const ENDS = ['front', 'back'] as const;
const TARGETS = ['to', 'before', 'after'] as const;

/** Body of `POST /tasks/{id}/move`: exactly one of `to`, `before` and `after`. */
export class MoveDto {
  @ApiPropertyOptional({
    description: 'Before, or behind, all that waits in its workspace. Exactly one of to, before and after.',
    enum: ENDS,
  })
  @Optional()
  @IsIn(ENDS, { message: `must be ${ENDS.join(' or ')}` })
  to?: (typeof ENDS)[number];

  @ApiPropertyOptional({ description: 'A task of its workspace that waits: just before that one.' })
  @Optional()
  @Matches(ID, { message: ID_SAYS })
  before?: string;

  @ApiPropertyOptional({ description: 'A task of its workspace that waits: right behind that one.' })
  @Optional()
  @Matches(ID, { message: ID_SAYS })
  after?: string;

  @ApiPropertyOptional({
    description: 'Why; stands in the log and in explanations.',
    default: 'no reason given',
  })
  @Optional()
  @Matches(TEXT, { message: TEXT_SAYS })
  reason?: string;

  @ApiPropertyOptional({ description: 'Who.', default: 'a client' })
  @Optional()
  @Matches(TEXT, { message: TEXT_SAYS })
  by?: string;
}

/** Where it is to go; refuses a body that says none of them or several. */
export const moveToOf = (body: MoveDto): MoveTo => {
  const { to, before, after } = body;
  const given = TARGETS.filter((name) => body[name] !== undefined);
  if (given.length === 1) {
    if (to !== undefined) return { kind: to };
    if (before !== undefined) return { kind: 'before', taskId: before };
    if (after !== undefined) return { kind: 'after', taskId: after };
  }
  const [path, message] =
    given.length === 0 ? ['body', 'does not say where to'] : [given[1] ?? '', `${given[0]} was sent too`];
  const accepted = `exactly one of ${TARGETS.join(', ')}`;
  throw new ApiError(
    'VALIDATION_FAILED',
    `The body names ${given.join(' and ') || 'no place'}; expected ${accepted}.`,
    [{ path, message, accepted }],
  );
};
