import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Allow } from 'class-validator';
import { serverOfEntry } from '#libs/contracts/server-entry.js';
import type { ServerSpec } from '#libs/domain/gpu/events.js';
import { ApiError, shown, type FieldProblem } from './http/problem.js';

/** Body of `PUT /servers/{id}`: the same fields as in the servers file, checked by the same rules (`serverOf`). */
export class PutServerDto {
  @ApiProperty({ description: 'Where it listens.', example: 'http://192.168.1.20:11434', type: String })
  @Allow()
  url: unknown;

  @ApiProperty({ description: 'Memory that models may fill.', example: '24GiB', type: String })
  @Allow()
  vram: unknown;

  @ApiPropertyOptional({ description: 'Its OLLAMA_NUM_PARALLEL.', type: Number, default: 1 })
  @Allow()
  slots: unknown;

  @ApiPropertyOptional({ enum: ['gpu', 'cpu'], default: 'gpu' })
  @Allow()
  device: unknown;

  @ApiPropertyOptional({ description: 'A map from text to text.', type: Object })
  @Allow()
  labels: unknown;

  @ApiPropertyOptional({ description: 'Download models that it lacks.', type: Boolean, default: false })
  @Allow()
  pull_missing: unknown;
}

/** The server that the body describes. Throws `VALIDATION_FAILED` with every field that is not accepted. */
export const serverOf = (id: string, body: PutServerDto): ServerSpec => {
  const read = serverOfEntry(id, body);
  if (!('problems' in read)) return read;
  const problems = read.problems.map(({ field, value, accepted }): FieldProblem => {
    const found = value === undefined ? 'it is missing' : `not ${JSON.stringify(shown(value))}`;
    return { path: field, value: shown(value), message: `${field} must be ${accepted}, ${found}`, accepted };
  });
  throw new ApiError('VALIDATION_FAILED', problems.map(({ message }) => message).join('; '), problems);
};
