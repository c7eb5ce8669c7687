import { Controller, Get, Inject, Param, Req, Res } from '@nestjs/common';
import { ApiHeader, ApiOperation, ApiParam, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { ArtifactList, ArtifactPlace } from '#libs/contracts/queries.js';
import { ArtifactDownload } from './artifact-download.js';
import { schemaRef } from './http/openapi-schemas.js';
import { artifactNameOf, taskIdOf } from './http/request-parts.js';
import { ResultsClient } from './results-client.js';

@ApiTags('artifacts')
@Controller('api/v1/tasks/:id/artifacts')
export class ArtifactsController {
  constructor(
    @Inject(ResultsClient) private readonly results: ResultsClient,
    @Inject(ArtifactDownload) private readonly download: ArtifactDownload,
  ) {}

  @Get()
  @ApiOperation({
    summary: 'The artifacts of a task, by name',
    description: 'What its steps have stored, and what of it was removed since, and why.',
  })
  @ApiParam({ name: 'id' })
  @ApiResponse({ status: 200, description: 'All of them.', schema: schemaRef('ArtifactList') })
  async list(@Param('id') id: string): Promise<ArtifactList> {
    return await this.results.ask<ArtifactList>({ kind: 'artifacts', taskId: taskIdOf(id) });
  }

  @Get(':name')
  @ApiOperation({
    summary: 'The bytes of an artifact',
    description:
      'Sent as they are read. One that is not what was stored ends before its Content-Length; the entity tag is its digest.',
  })
  @ApiParam({ name: 'id' })
  @ApiParam({ name: 'name' })
  @ApiHeader({ name: 'If-None-Match', required: false })
  @ApiResponse({ status: 200, description: 'The bytes.', content: { '*/*': {} } })
  @ApiResponse({ status: 304, description: 'The client has them already.' })
  async bytes(
    @Param('id') id: string,
    @Param('name') name: string,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const asked = { kind: 'artifact', taskId: taskIdOf(id), name: artifactNameOf(name) } as const;
    await this.download.serve(await this.results.ask<ArtifactPlace>(asked), request, reply);
  }
}
