// The works that are watched for unhandled rejections. A lost lease ends that, too: its work may never end.

import * as origins from './origins.mjs'

/** The leases of running works that are to be released this way, by the handle that each work was given. */
export const watched = new Map()

/** The work ended. */
export function unwatch(hold) {
  watched.delete(hold)
  if (watched.size === 0) origins.forget()
}

/** The works of this lease have nothing left to lose. */
export function unwatchLease(lease) {
  for (const [hold, each] of watched) if (each === lease) unwatch(hold)
}
