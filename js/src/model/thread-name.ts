/** What a thread is called: its name, else its id; where there are several processes, each has a MainThread: the pid tells them apart. */
import { tame } from "./names";
import type { Profile } from "./profile";

/** The number the system knows a thread by; where there is none, the interpreter's. */
export function threadId({ threads }: Profile, thread: number): string {
  const { osThreadId = null, threadId: own = thread } = threads[thread] ?? {};
  return osThreadId === null ? `0x${own.toString(16).toUpperCase()}` : String(osThreadId);
}

export function threadName(profile: Profile, thread: number): string {
  const { processes, threads } = profile;
  const info = threads[thread];
  const name = tame(info?.name ?? "") || `thread ${threadId(profile, thread)}`;
  const pid = processes.length > 1 ? processes.find(({ id }) => id === info?.process)?.pid : undefined;
  return pid === undefined ? name : `${name} ${pid}`;
}
