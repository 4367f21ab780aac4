/** Domain of operators that onnxruntime has beyond those of ONNX. */
export const MICROSOFT = 'com.microsoft';
