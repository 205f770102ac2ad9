const stacks = new WeakMap()

/** Calls `cleanUp` after the test, the last one registered first: processes go before their directory. */
export function after(t, cleanUp) {
  let stack = stacks.get(t)
  if (stack === undefined) {
    stack = []
    stacks.set(t, stack)
    t.after(async () => {
      const failures = []
      for (const each of stack.reverse()) {
        try {
          await each()
        } catch (error) {
          failures.push(error)
        }
      }
      if (failures.length > 0) throw failures[0]
    })
  }
  stack.push(cleanUp)
}
