// What the helpers of the suites take for a test, outside of one: something to clean up after.

export class Scope {
  #cleanUps = []

  after(cleanUp) {
    this.#cleanUps.push(cleanUp)
  }

  async end() {
    for (const cleanUp of this.#cleanUps.splice(0).reverse()) await cleanUp()
  }

  /** What `use` makes of a scope that ends with it. */
  static async during(use) {
    const scope = new Scope()
    try {
      return await use(scope)
    } finally {
      await scope.end()
    }
  }
}
