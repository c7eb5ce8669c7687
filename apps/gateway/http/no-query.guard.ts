import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { ROUTE_ARGS_METADATA } from '@nestjs/common/constants.js';
import { RouteParamtypes } from '@nestjs/common/enums/route-paramtypes.enum.js';
import type { FastifyRequest } from 'fastify';
import { ApiError, shown } from './problem.js';

/** Refuses a query string where the handler takes none: a filter that is passed over in silence is a wrong answer. */
@Injectable()
export class NoQueryGuard implements CanActivate {
  readonly #takesQuery = new WeakMap<object, boolean>();

  canActivate(context: ExecutionContext): boolean {
    const names = Object.keys(context.switchToHttp().getRequest<FastifyRequest>().query as object);
    if (names.length === 0 || this.#queried(context)) return true;
    const [first = ''] = names;
    const name = String(shown(first));
    throw new ApiError('VALIDATION_FAILED', `There is no query parameter '${name}' here; accepted: none.`, [
      { path: name, message: 'there is no such query parameter here', accepted: 'no query parameters' },
    ]);
  }

  #queried(context: ExecutionContext): boolean {
    const handler = context.getHandler();
    const known = this.#takesQuery.get(handler);
    if (known !== undefined) return known;
    const args = (Reflect.getMetadata(ROUTE_ARGS_METADATA, context.getClass(), handler.name) ?? {}) as object;
    const takes = Object.keys(args).some((key) => key.startsWith(`${RouteParamtypes.QUERY}:`));
    this.#takesQuery.set(handler, takes);
    return takes;
  }
}
