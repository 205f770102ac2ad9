// Takes the place of a test for the suites' helpers, outside of tests: something to clean up after.

export class Scope {
  #cleanUps = []

  after(cleanUp) {
    this.#cleanUps.push(cleanUp)
  }

  async end() {
    for (const cleanUp of this.#cleanUps.splice(0).reverse()) await cleanUp()
  }

  /** The result of `use`, which is given a scope that ends with it. */
  static async during(use) {
    const scope = new Scope()
    try {
      return await use(scope)
    } finally {
      await scope.end()
    }
  }
}
