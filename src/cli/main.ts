/** The executable. */
import { main } from './program.ts';

// whoever reads the output may stop early: not an error
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});
process.exitCode = await main(process.argv.slice(2));
