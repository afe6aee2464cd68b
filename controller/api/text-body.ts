import type { Api } from './api.ts'

/** Reads bodies as text, so that mistakes are told with their line, all of them at once. */
export function takeText(api: Api): void {
  api.removeContentTypeParser('application/json')
  api.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, body, done) => done(null, body))
}
