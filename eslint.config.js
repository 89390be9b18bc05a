import js from '@eslint/js';
import tseslint from 'typescript-eslint';

export default tseslint.config(
  {ignores: ['dist/', 'dist.*/', 'release/', 'node_modules/', 'coverage/']},
  js.configs.recommended,
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: {
      parserOptions: {
        projectService: {
          allowDefaultProject: ['*.js', 'bin/*.cjs', 'scripts/*.js', 'scripts/package/*.cjs', 'test/*.js'],
        },
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      '@typescript-eslint/restrict-template-expressions': ['error', {allowNumber: true, allowBoolean: true}],
      '@typescript-eslint/no-unused-vars': ['error', {argsIgnorePattern: '^_', varsIgnorePattern: '^_'}],
      '@typescript-eslint/no-confusing-void-expression': ['error', {ignoreArrowShorthand: true}],
      'no-console': 'error',
      eqeqeq: 'error',
    },
  },
  {
    // The thin layer stays thin: no files, no processes.
    files: ['commands/**/*.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            {regex: '^(node:)?(fs|fs/promises|child_process)$', message: 'Commands call the engine in src/.'},
            {regex: '^execa$', message: 'Commands call the engine in src/.'},
          ],
        },
      ],
    },
  },
  {
    // The engine knows nothing of the CLI framework.
    files: ['src/**/*.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            {group: ['@oclif/*', '**/commands/**'], message: 'The engine knows nothing of the CLI.'},
          ],
        },
      ],
    },
  },
  {
    // Programs are started in one way, in one environment.
    files: ['src/**/*.ts'],
    ignores: ['src/system/programs.ts'],
    rules: {
      '@typescript-eslint/no-restricted-imports': [
        'error',
        {
          patterns: [
            {
              regex: '^(node:child_process|execa)$',
              message: 'system/programs.ts starts programs.',
              allowTypeImports: true,
            },
          ],
        },
      ],
    },
  },
  {
    files: ['test/**/*.ts', 'scripts/**/*.ts'],
    rules: {'no-console': 'off', '@typescript-eslint/no-non-null-assertion': 'off'},
  },
  {files: ['**/*.js', '**/*.cjs'], ...tseslint.configs.disableTypeChecked},
  {
    files: ['**/*.cjs'],
    languageOptions: {sourceType: 'commonjs', globals: {require: 'readonly', __dirname: 'readonly'}},
    rules: {'@typescript-eslint/no-require-imports': 'off', 'no-var': 'off'},
  },
  {
    files: ['**/*.js', '**/*.cjs'],
    languageOptions: {globals: {process: 'readonly', console: 'readonly', URL: 'readonly'}},
    rules: {'no-console': 'off'},
  },
);
