/** How images become samples. */

/** How an image that has other proportions than the model's input is made to fit. */
export type ImageFit = 'crop' | 'stretch' | 'pad';
/** Which axis the channels are. */
export type ImageLayout = 'nchw' | 'nhwc';
/** Which channel comes first. */
export type ImageOrder = 'rgb' | 'bgr';

/** By name, the default first. */
export const IMAGE_FITS: readonly ImageFit[] = ['crop', 'stretch', 'pad'];
/** By name. */
export const IMAGE_LAYOUTS: readonly ImageLayout[] = ['nchw', 'nhwc'];
/** By name, the default first. */
export const IMAGE_ORDERS: readonly ImageOrder[] = ['rgb', 'bgr'];

/** What `datasetFromImages` may be told. */
export interface ImageOptions {
  /** Width and height in pixels, or both as one number; the model's own where its input fixes them, needed where it does not. */
  readonly size?: number | { readonly width: number; readonly height: number } | undefined;
  /** Where the channels are; found from the model's input, where one axis has 1 or 3 elements. */
  readonly layout?: ImageLayout | undefined;
  /** Subtracted from the values of a float input: one number, or one a channel in the model's order; 0 unless told. */
  readonly mean?: number | readonly number[] | undefined;
  /** What values are divided by afterwards: one number, or one a channel in the model's order; 1 unless told. */
  readonly std?: number | readonly number[] | undefined;
  /** Values of a float input before mean and standard deviation: from 0 to 1 (unless told), or from 0 to 255. */
  readonly range?: 1 | 255 | undefined;
  /** `crop` (unless told): the shorter side is made to fit, the middle kept; `stretch`: both sides; `pad`: the longer side, black around it. */
  readonly fit?: ImageFit | undefined;
  /** Share of the shorter side that `crop` keeps: 1 unless told; 0.875 is 224 of 256 pixels. */
  readonly crop?: number | undefined;
  /** Which channel comes first: `rgb` unless told. */
  readonly order?: ImageOrder | undefined;
  /** Whether samples come in the order of their paths; otherwise images in folders of classes are mixed, so that any part has them all. */
  readonly sorted?: boolean | undefined;
}

/** A file that may be an image, or name the labels of images. */
export interface ImageFile {
  /** Path within the folder or archive, `/` between its parts: what errors call it; order and classes come from it. */
  readonly path: string;
  /** The file's bytes, or how to get them; asked for whenever they are needed. */
  readonly bytes: Uint8Array | (() => Uint8Array | Promise<Uint8Array>);
}
