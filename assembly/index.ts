/**
 * The kernels' binary interface, typed for hosts by `Kernels` in src/wasm/kernels.ts. Addresses are usize, sizes i32.
 */
export { gemm, gemm_batch, gemm_fused, gemm_scratch } from './gemm';
export { gemm_pack_a, gemm_pack_b, gemm_packed_a, gemm_packed_b, gemm_rows } from './gemm-pack';
export { col2im, im2col } from './conv';
export { depthwise2d, depthwise_scratch } from './depthwise';
export { pack_fields, pad_planes } from './conv-pack';
export { finish_rows } from './conv-finish';
export { winograd, winograd_filter, winograd_filter_bytes, winograd_panels, winograd_scratch } from './winograd';
export { avgpool2d, maxpool2d } from './pool';
export {
  add,
  sub,
  mul,
  div,
  min_of as min,
  max_of as max,
  add_scalar,
  sub_scalar,
  mul_scalar,
  div_scalar,
  min_scalar,
  max_scalar,
  rsub_scalar,
  rdiv_scalar,
  add_row,
  sub_row,
  mul_row,
  div_row,
  min_row,
  max_row,
  rsub_row,
  rdiv_row,
  add_col,
  sub_col,
  mul_col,
  div_col,
  min_col,
  max_col,
  rsub_col,
  rdiv_col,
} from './elementwise';
export {
  relu,
  neg_of as neg,
  abs_of as abs,
  sqrt_of as sqrt,
  reciprocal,
  exp_of as exp,
  log_of as log,
  erf_of as erf,
  tanh_of as tanh,
  sigmoid,
  gelu,
  clip,
  leaky_relu,
  sin_of as sin,
  cos_of as cos,
  softplus,
  mish,
  elu,
  swish,
  erf_gate,
} from './unary';
export { softmax, log_softmax, softmax_scores } from './softmax';
export { lstm_gates } from './cell';
export { layer_norm, rms_norm, channel_affine } from './norm';
export {
  sum,
  sum_squares,
  dot,
  squared_distance,
  reduce_rows_sum,
  reduce_rows_mean,
  reduce_rows_max,
  reduce_rows_min,
  reduce_cols_sum,
  argmax_rows,
} from './reduce';
export { min_max, histogram, moments } from './statistics';
export { kl_rows, kl_probability_rows, nll_rows } from './divergence';
export { transpose, permute4, place4 } from './transpose';
export { resample, resample_nearest } from './resample';
export { svd, svd_scratch } from './svd';
export { qr, qr_apply, qr_scratch } from './qr';
export { cholesky_f64, gram_f64, gram_f64_scratch } from './gram';
export { gemv_f32, gemv_f64 } from './gemv';
export { abs_sums, unfold_f32, unfold_f64 } from './unfold';
export { cholesky, solve_unit, unit_factor } from './cholesky';
export { gptq_block } from './gptq';
export { descend, descend_scratch } from './descent';
export { quantize_rows, dequantize_rows, fake_quantize_rows, quantize_error } from './quantize';
export { fit_rows } from './clip';
export {
  pack_plane,
  unpack_plane,
  pack_dense,
  unpack_dense,
  pack_int4,
  unpack_int4,
  codes_to_int8,
  codes_to_int16,
} from './pack';
export { codes_to_f32, f32_to_codes, i32_to_codes } from './codes';
export { decode_panels, pack_panels, panels_bytes } from './panels';
export { qgemm, qgemm_scratch } from './qgemm';
export { qconv, qconv_scratch } from './qconv';
export { code_rows, code_words } from './code-rows';
export { code_gemm, code_gemm_scratch } from './code-gemm';
export { add_codes } from './add-codes';
export {
  qwinograd,
  qwinograd_filter,
  qwinograd_filter_bytes,
  qwinograd_panels,
  qwinograd_scratch,
} from './qwinograd';
export { pad_bytes } from './qwinograd-input';
export { i32_to_f32, requantize, scale_sums } from './requantize';
export { gather_bytes, transpose_bytes } from './channels';
export { f32_to_f16, f16_to_f32 } from './half';
export { gate, softmax_gradient, log_softmax_gradient, norm_gradient, channel_dots, weighted_squares } from './gradient';
export { maxpool2d_gradient, sumpool2d_gradient } from './gradient-window';

/** 1 in the relaxed build, 0 in the plain one. */
export function relaxed(): i32 {
  return ASC_FEATURE_RELAXED_SIMD;
}

/** First address above the static data. */
export function heap_base(): usize {
  return __heap_base;
}
