import { ApiPropertyOptional } from '@nestjs/swagger';
import { Matches } from 'class-validator';
import { Optional } from './http/validation.js';

/** Body of `POST /tasks/{id}/rerun`. */
export class RerunDto {
  @ApiPropertyOptional({
    description: 'Only this step and those that depend on it run again; the outputs of the others are kept.',
    example: 'summarize',
  })
  @Optional()
  @Matches(/^[a-z][a-z0-9_-]{0,62}$/, { message: 'must be the id of a step' })
  from_step?: string;
}
