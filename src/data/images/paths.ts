/** Which files are images, by their names. */

/** Whether a file's name is that of an image that can be read: .png, .jpg or .jpeg, in no hidden folder. */
export function isImagePath(path: string): boolean {
  return /\.(?:png|jpe?g)$/i.test(path) && !isHidden(path);
}

/** Files whose names begin with a dot, and what macOS puts beside files. */
export function isHidden(path: string): boolean {
  return path.split('/').some((part) => part.startsWith('.') || part === '__MACOSX');
}

/** Whether a file names the labels of the images beside it. */
export function isLabelPath(path: string): boolean {
  return path === 'labels.csv' || path === 'labels.txt';
}

/** Largest image file that is read. */
export const MAX_IMAGE_BYTES = 2 ** 28;
