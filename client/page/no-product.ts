/** Replaced by the product's module in a build with `--product`: see `build.js`. */

import type { ProductView } from "./product.js";

const product: ProductView = {};
export default product;
