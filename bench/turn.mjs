/** For how long each of two processes holds the lock that both want, and thinks in between, in milliseconds. */
export const HOLD = 2
export const THINK = 1
