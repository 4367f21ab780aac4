/** Data that commands are given. */
import { UsageError } from '../errors.ts';
import { type Dataset, type Model, openDataset } from '../node.ts';
import type { Context } from './context.ts';
import { type ImageFlags, imageOptions } from './flags.ts';

type Opened<P> = { [K in keyof P]: P[K] extends string ? Dataset : Dataset | undefined };

/**
 * Opens data sets, says what became of images, and fails where flags for images have none.
 * @param paths as they were given; undefined stays undefined
 * @param sorted whether images keep the order of their paths
 */
export async function openData<const P extends readonly (string | undefined)[]>(
  context: Context,
  paths: P,
  model: Pick<Model, 'graph'>,
  flags: ImageFlags,
  sorted = false,
): Promise<Opened<P>> {
  const options = imageOptions(flags, sorted);
  const opened: (Dataset | undefined)[] = [];
  for (const path of paths) {
    const data = path === undefined ? undefined : await openDataset(path, model, options);
    for (const note of data?.notes ?? []) context.note(note);
    opened.push(data);
  }
  if (!opened.some((data) => data?.preprocessing)) refuseImageFlags(flags);
  return opened as Opened<P>;
}

/** For data that are no images. @throws UsageError naming a flag for images that was given */
export function refuseImageFlags(flags: ImageFlags): void {
  const names: [keyof ImageFlags, string][] = [
    ['imageSize', '--image-size'],
    ['imageLayout', '--image-layout'],
    ['imageFit', '--image-fit'],
    ['imageCrop', '--image-crop'],
    ['imageOrder', '--image-order'],
    ['imageRange', '--image-range'],
    ['mean', '--mean'],
    ['std', '--std'],
  ];
  const idle = names.find(([name]) => flags[name] !== undefined);
  if (idle) throw new UsageError(`${idle[1]}: has no effect: none of the data are images`);
}
