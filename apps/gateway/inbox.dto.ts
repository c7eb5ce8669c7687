import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { Allow, IsIn, IsInt, Matches, Min } from 'class-validator';
import { TEXT, TEXT_SAYS } from './http/short-text.js';
import { HowMany, whole } from './http/page-fields.js';
import { Optional } from './http/validation.js';
import { ID, ID_SAYS } from './submit-task.dto.js';

const SEQ_SAYS = 'must be the `next` of an earlier page';
const DECISIONS = ['approve', 'reject'] as const;

/** Query of `GET /inbox`. */
export class InboxDto {
  @ApiPropertyOptional({ description: 'What this one is asked, and what anybody may answer.' })
  @Optional()
  @Matches(TEXT, { message: TEXT_SAYS })
  assignee?: string;

  @ApiPropertyOptional()
  @Optional()
  @Matches(ID, { message: ID_SAYS })
  workspace?: string;

  @ApiPropertyOptional({ description: '`next` of an earlier page.' })
  @Optional()
  @Transform(whole)
  @IsInt({ message: SEQ_SAYS })
  @Min(0, { message: SEQ_SAYS })
  after?: number;

  @HowMany(200, 50)
  page_size?: number;
}

/** Body of `POST /tasks/{id}/steps/{stepId}/link`. */
export class LinkDto {
  @ApiPropertyOptional({
    description: 'In whose name it answers; whoever opens it says who they are when absent.',
  })
  @Optional()
  @Matches(TEXT, { message: TEXT_SAYS })
  by?: string;
}

/** Body of `POST /tasks/{id}/steps/{stepId}/answer`. */
export class AnswerDto {
  @ApiPropertyOptional({ enum: DECISIONS, description: 'Of an approval: the same as `choice`.' })
  @Optional()
  @IsIn(DECISIONS, { message: `must be ${DECISIONS.join(' or ')}` })
  decision?: (typeof DECISIONS)[number];

  @ApiPropertyOptional({ description: 'Of an approval: approve, reject, or another one of its choices.' })
  @Optional()
  @Matches(/^[a-z][a-z0-9_-]{0,62}$/, { message: 'must be the name of a choice' })
  choice?: string;

  @ApiPropertyOptional({ description: 'Of an approval whose text may be edited: the text that is approved.' })
  @Allow()
  text?: unknown;

  @ApiPropertyOptional({ description: 'Of a form: what was filled in.' })
  @Allow()
  data?: unknown;

  @ApiPropertyOptional({ description: 'Why; stands in the log and in the output.' })
  @Optional()
  @Matches(TEXT, { message: TEXT_SAYS })
  comment?: string;

  @ApiProperty({ description: 'Who.' })
  @Matches(TEXT, { message: TEXT_SAYS })
  by!: string;

  @ApiPropertyOptional({ description: '`seq` of the question; another one is not answered by it.' })
  @Optional()
  @IsInt({ message: 'must be the `seq` of a question' })
  seq?: number;
}
