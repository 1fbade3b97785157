/* nixbuildfarm-shim: spreads the compiles of one derivation over a farm. One program, four trades:

     …/cc1, …/cc1plus ARGUMENTS   stands in a build's sandbox in the place of the compiler proper       compile.c
     shim broker [GROUP]          on the build's builder: relays between those and the coordinator      broker.c
     shim run                     builder of the derivation of one compile                              run.c
     shim shadow                  builder of the folder that is mounted over the compiler's own         shadow.c

   The toolchain that it stands in for builds it, on the builder itself, as one translation unit: this file lists the
   sections in their order, and each may use those before it. It needs the C library and nothing else.

   What rules: sharing makes a build faster, it never makes it fail or differ. Whatever is odd, broken, too large or too
   slow is compiled at home, by the original compiler with its original arguments. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#ifndef STORE_FOLDER                            /* a test has folders and limits of its own                                 */
#define STORE_FOLDER "/nix/store/"
#define ORIGINAL_FOLDER "/.nixbuildfarm/original"
#define BROKER_SOCKET "/.nixbuildfarm/broker/socket"
#define RUN_FOLDER "/run"

/* How long the coordinator may say nothing, in milliseconds. It answers in milliseconds, and says Wait where it needs longer;
   more would only hold the build up behind one that has died without closing. */
#define FIRST_SILENCE 15000
#define LATER_SILENCE 60000

#define STALE_AFTER 60                          /* seconds after which a folder that nobody listens in is one of a dead broker */
#endif

#include "bytes.c"
#include "sha256.c"
#include "frames.c"
#include "arguments.c"
#include "scan.c"
#include "unit.c"
#include "describe.c"
#include "compile.c"
#include "relay.c"
#include "broker.c"
#include "run.c"
#include "shadow.c"

int main(int count, char **arguments)
{
    if (count < 1)
        return 127;
    const char *name = base_name(arguments[0]);
    if (is_tool(name))
        compile(count, arguments);
    if (count >= 2 && !strcmp(arguments[1], "broker"))
        return broker(count > 2 ? arguments[2] : "nixbld");
    if (count == 2 && !strcmp(arguments[1], "run"))
        return run();
    if (count == 2 && !strcmp(arguments[1], "shadow"))
        return shadow();
    fputs("nixbuildfarm-shim: called as cc1 or cc1plus, or with broker [GROUP], run or shadow\n", stderr);
    return 64;
}
