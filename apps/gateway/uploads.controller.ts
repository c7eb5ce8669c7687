import { Body, Controller, Get, Headers, Inject, Param, Post, Query, Req, Res } from '@nestjs/common';
import {
  ApiBody,
  ApiConsumes,
  ApiHeader,
  ApiOperation,
  ApiParam,
  ApiPropertyOptional,
  ApiResponse,
  ApiTags,
} from '@nestjs/swagger';
import { Matches } from 'class-validator';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { ArtifactPlace } from '#libs/contracts/queries.js';
import { ArtifactDownload } from './artifact-download.js';
import { ArtifactUpload, type Uploaded } from './artifact-upload.js';
import { schemaRef } from './http/openapi-schemas.js';
import { artifactNameOf, taskIdOf } from './http/request-parts.js';
import { Optional } from './http/validation.js';
import { ResultsClient } from './results-client.js';
import { ID, ID_SAYS } from './submit-task.dto.js';

/** Query of `POST /artifacts/{name}`. */
export class UploadDto {
  @ApiPropertyOptional({ default: 'default', description: 'Only its tasks can read it.' })
  @Optional()
  @Matches(ID, { message: ID_SAYS })
  workspace?: string;
}

@ApiTags('artifacts')
@Controller('api/v1/artifacts')
export class UploadsController {
  constructor(
    @Inject(ArtifactUpload) private readonly upload: ArtifactUpload,
    @Inject(ArtifactDownload) private readonly download: ArtifactDownload,
    @Inject(ResultsClient) private readonly results: ResultsClient,
  ) {}

  @Post(':name')
  @ApiOperation({
    summary: 'Send a file for tasks to read',
    description:
      'Up to 1 GiB, stored as it arrives. Its `reference` is what steps take as an artifact, as a parameter for instance.',
  })
  @ApiParam({ name: 'name' })
  @ApiConsumes('application/octet-stream')
  @ApiBody({ required: true, schema: { type: 'string', format: 'binary' } })
  @ApiResponse({ status: 201, description: 'It is there.', schema: schemaRef('Uploaded') })
  async take(
    @Param('name') name: string,
    @Query() { workspace }: UploadDto,
    @Body() body: unknown,
    @Headers('traceparent') traceparent: string | undefined,
  ): Promise<Uploaded> {
    return await this.upload.take(artifactNameOf(name), workspace ?? 'default', body, traceparent);
  }

  @Get(':owner/:name')
  @ApiOperation({
    summary: 'The bytes of an artifact, by its reference',
    description: 'Of a task or of an upload; the same as `GET /tasks/{id}/artifacts/{name}`.',
  })
  @ApiParam({ name: 'owner' })
  @ApiParam({ name: 'name' })
  @ApiHeader({ name: 'If-None-Match', required: false })
  @ApiResponse({ status: 200, description: 'The bytes.', content: { '*/*': {} } })
  @ApiResponse({ status: 304, description: 'The client has them already.' })
  async bytes(
    @Param('owner') owner: string,
    @Param('name') name: string,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const asked = { kind: 'artifact', taskId: taskIdOf(owner), name: artifactNameOf(name) } as const;
    await this.download.serve(await this.results.ask<ArtifactPlace>(asked), request, reply);
  }
}
