/** Milliseconds on a clock that all processes of a machine share, Rust's included. */
export const now = () => Number(process.hrtime.bigint()) / 1e6
