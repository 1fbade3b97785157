/* ---- scan: the text that a compile reads ----------------------------------------------------------------------------- */

/* The compiler itself says it: asked for the text with only its directives carried out, it names each file that it reads,
   and does little besides. The helper asks the same of the same compiler; equal digests tell that both read the same. */

#define MOST_TEXT (256u * 1024 * 1024)

/* False when the compiler reports an error: then it stays at home, where it says so best. */
static bool scan(const char *tool, char *const *arguments, int count, int output, char *const *environment, struct buffer *text)
{
    char **scanning = calloc((size_t)count + 6, sizeof *scanning);
    int ends[2];
    if (!scanning || pipe2(ends, O_CLOEXEC)) {
        free(scanning);
        return false;
    }
    int n = 0;
    scanning[n++] = arguments[0];
    scanning[n++] = "-E";
    scanning[n++] = "-fdirectives-only";
    for (int i = 1; i < count; i++)
        if (i != output && i != output - 1)
            scanning[n++] = arguments[i];
    scanning[n++] = "-Wno-unused-macros";       /* which the compiler does not take beside -fdirectives-only                 */
    scanning[n++] = "-fpch-preprocess";         /* names a precompiled header where one would be used                       */

    pid_t child = fork();
    if (child == 0) {
        int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
        if (nothing >= 0 && dup2(nothing, 0) == 0 && dup2(ends[1], 1) == 1 && dup2(nothing, 2) == 2)
            execve(tool, scanning, environment);
        _exit(127);
    }
    close(ends[1]);
    bool whole = child > 0 && read_all(ends[0], text, MOST_TEXT);
    close(ends[0]);
    if (child > 0 && !whole)
        kill(child, SIGKILL);
    int status = -1;
    while (child > 0 && waitpid(child, &status, 0) < 0)
        if (errno != EINTR) {
            status = -1;                        /* as where SIGCHLD is ignored: its end cannot be learnt                    */
            break;
        }
    free(scanning);
    return whole && status == 0 && !text->failed;
}
