// An OpenClaw plugin with a mistake that is easily made: it waits for something that never happens. The run that called
// it has the session's lock by then, and never reaches the line that releases it.

export default {
  id: 'leaky',
  name: 'leaky',
  description: 'Never comes back from messages that say LEAK',
  register(api) {
    api.on('before_prompt_build', async ({ prompt }) => {
      if (!prompt.includes('LEAK')) return
      console.error('leaky: this run will never go on')
      await new Promise(() => {})
    })
  },
}
