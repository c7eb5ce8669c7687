import { ApiPropertyOptional } from '@nestjs/swagger';
import { Matches } from 'class-validator';
import { TEXT, TEXT_SAYS } from './http/short-text.js';
import { Optional } from './http/validation.js';

/** Body of `PUT /pauses/{scope}`. */
export class PauseDto {
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

/** Query of `DELETE /pauses/{scope}`. */
export class ResumeDto {
  @ApiPropertyOptional({ description: 'Who.', default: 'a client' })
  @Optional()
  @Matches(TEXT, { message: TEXT_SAYS })
  by?: string;
}
