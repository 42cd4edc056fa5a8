/** Which rewriting metered modules are of. */

/** The version of the rewriting. Whoever keeps metered modules keeps them under it; fuel depends on the cost table only. */
export const METER_VERSION = "writ-meter/12";
