/** The budget room: the arithmetic of leases. Enter here only. */
export {
  BUDGET_NAMES,
  type Charge,
  charge,
  chargeUpTo,
  type Lease,
  left,
  openLease,
  settle,
} from "./lease.ts";
