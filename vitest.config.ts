import { defineConfig } from 'vitest/config';

const project = (name: string, folders: readonly string[]) => ({
  test: { name, include: folders.map((folder) => `test/${folder}/**/*.test.ts`), testTimeout: 20_000 },
});

export default defineConfig({
  test: {
    projects: [
      project('unit', ['unit', 'property']),
      project('integration', ['integration', 'wire']),
      { test: { name: 'house', include: ['test/*.test.ts'], testTimeout: 60_000 } },
    ],
  },
});
