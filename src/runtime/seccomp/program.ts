/**
 * The system call filter of an executor, as the bytes that the kernel takes: everything is allowed but what is named,
 * and what is named is what an escape from V8 would reach for. No network, no new process, no other process, no mount,
 * no key, no kernel interface with a history. Written once for each architecture into `*.bpf` beside this file; a
 * test holds those against this source.
 */

/** Architectures that there is a filter for. */
export type FilterArch = "x64" | "arm64";

/** AUDIT_ARCH_* of <linux/audit.h>. */
const AUDIT_ARCH: Readonly<Record<FilterArch, number>> = { x64: 0xc000003e, arm64: 0xc00000b7 };

/** Calls that are refused with EPERM: their numbers on x86-64 and on arm64; null where there is none. */
const REFUSED: Readonly<Record<string, readonly [x64: number | null, arm64: number | null]>> = {
  // The network. `socketpair` stays: both ends are the process's own, and runtimes make them for signals.
  socket: [41, 198],
  connect: [42, 203],
  accept: [43, 202],
  accept4: [288, 242],
  bind: [49, 200],
  listen: [50, 201],
  // New processes; `clone` is decided by its flags below.
  fork: [57, null],
  vfork: [58, null],
  execveat: [322, 281],
  // Other processes.
  kill: [62, 129],
  tkill: [200, 130],
  ptrace: [101, 117],
  process_vm_readv: [310, 270],
  process_vm_writev: [311, 271],
  process_madvise: [440, 440],
  process_mrelease: [448, 448],
  kcmp: [312, 272],
  pidfd_open: [434, 434],
  pidfd_getfd: [438, 438],
  pidfd_send_signal: [424, 424],
  tgkill: [234, 131],
  rt_sigqueueinfo: [129, 138],
  rt_tgsigqueueinfo: [297, 240],
  setpriority: [141, 140],
  // Its own limits, of which the gateway lowers one by the memory that is granted; `prlimit64` is decided below.
  setrlimit: [160, 164],
  ioprio_set: [251, 30],
  migrate_pages: [256, 238],
  move_pages: [279, 239],
  // Files by their path, whose content Landlock guards and these do not touch.
  chmod: [90, null],
  fchmod: [91, 52],
  fchmodat: [268, 53],
  fchmodat2: [452, 452],
  chown: [92, null],
  fchown: [93, 55],
  lchown: [94, null],
  fchownat: [260, 54],
  utime: [132, null],
  utimes: [235, null],
  futimesat: [261, null],
  utimensat: [280, 88],
  setxattr: [188, 5],
  lsetxattr: [189, 6],
  fsetxattr: [190, 7],
  setxattrat: [463, 463],
  removexattr: [197, 14],
  lremovexattr: [198, 15],
  fremovexattr: [199, 16],
  removexattrat: [466, 466],
  inotify_init: [253, null],
  inotify_init1: [294, 26],
  // Another view of the system.
  unshare: [272, 97],
  setns: [308, 268],
  chroot: [161, 51],
  pivot_root: [155, 41],
  mount: [165, 40],
  umount2: [166, 39],
  open_tree: [428, 428],
  move_mount: [429, 429],
  fsopen: [430, 430],
  fsconfig: [431, 431],
  fsmount: [432, 432],
  fspick: [433, 433],
  mount_setattr: [442, 442],
  name_to_handle_at: [303, 264],
  open_by_handle_at: [304, 265],
  mknod: [133, null],
  mknodat: [259, 33],
  // Parts of the kernel that no guest needs, and that escapes have gone through before.
  bpf: [321, 280],
  perf_event_open: [298, 241],
  userfaultfd: [323, 282],
  io_uring_setup: [425, 425],
  io_uring_enter: [426, 426],
  io_uring_register: [427, 427],
  add_key: [248, 217],
  request_key: [249, 218],
  keyctl: [250, 219],
  fanotify_init: [300, 262],
  fanotify_mark: [301, 263],
  lookup_dcookie: [212, 18],
  quotactl: [179, 60],
  quotactl_fd: [443, 443],
  acct: [163, 89],
  syslog: [103, 116],
  personality: [135, 92],
  memfd_secret: [447, 447],
  shmget: [29, 194],
  shmat: [30, 196],
  shmctl: [31, 195],
  semget: [64, 190],
  msgget: [68, 186],
  mq_open: [240, 180],
  // The machine itself.
  init_module: [175, 105],
  finit_module: [313, 273],
  delete_module: [176, 106],
  kexec_load: [246, 104],
  kexec_file_load: [320, 294],
  reboot: [169, 142],
  swapon: [167, 224],
  swapoff: [168, 225],
  settimeofday: [164, 170],
  clock_settime: [227, 112],
  clock_adjtime: [305, 266],
  adjtimex: [159, 171],
  sethostname: [170, 161],
  setdomainname: [171, 162],
  iopl: [172, null],
  ioperm: [173, null],
};

/** Calls whose first argument is a process: allowed where that is 0, which is the caller itself. */
const OF_ITSELF: Readonly<Record<string, readonly [x64: number, arm64: number]>> = {
  sched_setaffinity: [203, 122],
  sched_setscheduler: [144, 119],
  sched_setparam: [142, 118],
  sched_setattr: [314, 274],
};

/** Reads limits of its own: allowed where the process is 0, and no new limit is given. */
const PRLIMIT64: Readonly<Record<FilterArch, number>> = { x64: 302, arm64: 261 };
const CLONE: Readonly<Record<FilterArch, number>> = { x64: 56, arm64: 220 };
/** Its flags stand in memory, where no filter can look; without it libc uses `clone`, whose flags are an argument. */
const CLONE3 = 435;
const CLONE_THREAD = 0x10000;
/** Calls of the x32 interface, another set of numbers for the same calls. */
const X32_BIT = 0x40000000;

// <linux/bpf_common.h>, <linux/seccomp.h>, <asm-generic/errno-base.h>
const LOAD_WORD = 0x20;
const JUMP_EQUAL = 0x15;
const JUMP_AT_LEAST = 0x35;
const JUMP_ANY_BIT = 0x45;
const RETURN = 0x06;
const ALLOW = 0x7fff0000;
const KILL_PROCESS = 0x80000000;
const refuseWith = (errno: number) => 0x00050000 | errno;
const EPERM = 1;
const ENOSYS = 38;
const NR_AT = 0;
const ARCH_AT = 4;
const FIRST_ARGUMENT_AT = 16;
/** Its lower and its upper half: a pointer, and both are 0 where there is none. */
const THIRD_ARGUMENT_AT = [32, 36] as const;

type Instruction = readonly [code: number, ifTrue: number, ifFalse: number, value: number];

/**
 * Writes the filter of an architecture.
 *
 * @returns `struct sock_filter` after `struct sock_filter`, little-endian
 */
export function systemCallFilter(arch: FilterArch): Uint8Array<ArrayBuffer> {
  const program: Instruction[] = [
    [LOAD_WORD, 0, 0, ARCH_AT],
    [JUMP_EQUAL, 1, 0, AUDIT_ARCH[arch]],
    [RETURN, 0, 0, KILL_PROCESS],
    [LOAD_WORD, 0, 0, NR_AT],
  ];
  if (arch === "x64") program.push([JUMP_AT_LEAST, 0, 1, X32_BIT], [RETURN, 0, 0, refuseWith(ENOSYS)]);
  for (const [x64, arm64] of Object.values(REFUSED)) {
    const number = arch === "x64" ? x64 : arm64;
    if (number !== null) program.push([JUMP_EQUAL, 0, 1, number], [RETURN, 0, 0, refuseWith(EPERM)]);
  }
  for (const [x64, arm64] of Object.values(OF_ITSELF))
    program.push(
      [JUMP_EQUAL, 0, 4, arch === "x64" ? x64 : arm64],
      [LOAD_WORD, 0, 0, FIRST_ARGUMENT_AT],
      [JUMP_EQUAL, 0, 1, 0],
      [RETURN, 0, 0, ALLOW],
      [RETURN, 0, 0, refuseWith(EPERM)],
    );
  program.push(
    [JUMP_EQUAL, 0, 8, PRLIMIT64[arch]],
    [LOAD_WORD, 0, 0, FIRST_ARGUMENT_AT],
    [JUMP_EQUAL, 0, 5, 0],
    [LOAD_WORD, 0, 0, THIRD_ARGUMENT_AT[0]],
    [JUMP_EQUAL, 0, 3, 0],
    [LOAD_WORD, 0, 0, THIRD_ARGUMENT_AT[1]],
    [JUMP_EQUAL, 0, 1, 0],
    [RETURN, 0, 0, ALLOW],
    [RETURN, 0, 0, refuseWith(EPERM)],
    [JUMP_EQUAL, 0, 1, CLONE3],
    [RETURN, 0, 0, refuseWith(ENOSYS)],
    [JUMP_EQUAL, 0, 3, CLONE[arch]],
    [LOAD_WORD, 0, 0, FIRST_ARGUMENT_AT],
    [JUMP_ANY_BIT, 1, 0, CLONE_THREAD],
    [RETURN, 0, 0, refuseWith(EPERM)],
    [RETURN, 0, 0, ALLOW],
  );
  const bytes = new Uint8Array(8 * program.length);
  const view = new DataView(bytes.buffer);
  for (const [index, [code, ifTrue, ifFalse, value]] of program.entries()) {
    view.setUint16(8 * index, code, true);
    view.setUint8(8 * index + 2, ifTrue);
    view.setUint8(8 * index + 3, ifFalse);
    view.setUint32(8 * index + 4, value, true);
  }
  return bytes;
}
