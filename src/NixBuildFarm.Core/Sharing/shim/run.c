/* ---- run: the builder of the derivation of one compile --------------------------------------------------------------- */

/* In a helper's sandbox: makes the files of the unit where they were, makes sure that the compiler reads what it read at
   home, and compiles. What it leaves: $out/rc, the exit code as text, or 200 when it would not do it; $out/err, the
   messages; $out/out, the output; $out/time, microseconds of processor time that the compiler took, as text. A compile
   that fails is a derivation that succeeds. */

#define REFUSED 200
#define MOST_MANIFEST (16u * 1024 * 1024)
#define MOST_MESSAGES (900u * 1024)

struct manifest {
    char *name, *folder;                        /* argv[0], and where it ran                                                */
    const unsigned char *digest;                /* of the text                                                              */
    bool is_terminal;                           /* its messages went to a terminal                                          */
    char **environment, **arguments;            /* arguments with the name in front                                         */
    uint32_t argument_count, output;            /* index in arguments                                                       */
    struct reader files;
    uint32_t file_count;
};

static bool read_manifest(struct manifest *manifest, const struct buffer *bytes)
{
    struct reader reader = { bytes->bytes, bytes->length, false };
    uint32_t count;
    *manifest = (struct manifest){ 0 };
    manifest->name = take_string(&reader);
    manifest->folder = take_string(&reader);
    manifest->digest = take(&reader, SHA256_SIZE);
    uint32_t terminal = take_u32(&reader);
    manifest->is_terminal = terminal == 1;
    manifest->environment = take_strings(&reader, &count, 0);
    manifest->arguments = take_strings(&reader, &manifest->argument_count, 1);
    if (reader.failed)
        return false;
    manifest->arguments[0] = manifest->name;
    manifest->argument_count++;
    manifest->output = take_u32(&reader);
    manifest->file_count = take_u32(&reader);
    manifest->files = reader;
    if (reader.failed || terminal > 1 || manifest->output >= manifest->argument_count - 1)
        return false;
    manifest->output++;
    return manifest->output >= 2 && !strcmp(manifest->arguments[manifest->output - 1], "-o");
}

/* Makes the folders above a path, which is below the top folder and stays there at each step. Everything in there was
   made here, so that no link leads out of it. */
static bool make_parents(const char *top, const char *path)
{
    size_t length = strlen(top);
    if (strncmp(path, top, length) || path[length] != '/')
        return false;
    char *copy = strdup(path);
    if (!copy)
        return false;
    int depth = 0;
    bool stays = true;
    for (char *slash = copy + length, *next; stays && (next = strchr(slash + 1, '/')); slash = next) {
        *next = 0;
        const char *part = slash + 1;
        if (!strcmp(part, ".."))
            depth--;
        else if (*part && strcmp(part, "."))
            depth++;
        stays = depth >= 0 && (mkdir(copy, 0777) == 0 || errno == EEXIST);
        *next = '/';
    }
    const char *last = base_name(copy);
    stays = stays && *last && strcmp(last, ".") && strcmp(last, "..");
    free(copy);
    return stays;
}

/* Absolute, with the folder in front where it was not. */
static char *absolute_path(const char *folder, const char *name)
{
    char *path = NULL;
    if (name[0] == '/')
        return strdup(name);
    return asprintf(&path, "%s/%s", folder, name) < 0 ? NULL : path;
}

/* A file often has several names, as a.h and src/../a.h: then it is there already, with the same content. */
static bool copy_file(const char *from, const char *to, uint64_t time)
{
    struct buffer content = { 0 }, present = { 0 };
    struct timespec times[2] = { { .tv_sec = (time_t)time }, { .tv_sec = (time_t)time } };
    bool copied = read_file(from, &content, MOST_CONTENT);
    if (copied && !write_file(to, content.bytes, content.length))
        copied = errno == EEXIST && read_file(to, &present, MOST_CONTENT) && present.length == content.length
            && !memcmp(present.bytes, content.bytes, content.length);
    copied = copied && utimensat(AT_FDCWD, to, times, 0) == 0;
    release(&content);
    release(&present);
    return copied;
}

/* False when a file cannot be made, or two that differ would be one: then the unit is not what it was. */
static bool make_files(struct manifest *manifest, const char *top)
{
    struct reader *reader = &manifest->files;
    char *inside = absolute_path(manifest->folder, "inside");
    bool made = inside && make_parents(top, inside) && chdir(manifest->folder) == 0;
    free(inside);
    for (uint32_t i = 0; made && i < manifest->file_count; i++) {
        char *name = take_string(reader), *from = take_string(reader);
        uint32_t has_time = take_u32(reader);
        uint64_t time = take_u64(reader);
        char *path = name ? absolute_path(manifest->folder, name) : NULL;
        made = path && !reader->failed && has_time <= 1 && time < INT64_MAX && from && starts_with(from, STORE_FOLDER)
            && make_parents(top, path) && copy_file(from, path, has_time ? time : 1);
        free(name);
        free(from);
        free(path);
    }
    return made && !reader->failed && !reader->left;
}

/* Counts what is in a folder, at any depth; a negative number when it cannot. */
static long count_entries(int folder, int depth)
{
    DIR *entries = folder >= 0 && depth < 200 ? fdopendir(folder) : NULL;
    if (!entries) {
        if (folder >= 0)
            close(folder);
        return LONG_MIN / 2;
    }
    long count = 0;
    for (struct dirent *entry; (entry = readdir(entries));) {
        struct stat status;
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        count++;
        if (fstatat(dirfd(entries), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(status.st_mode))
            count += count_entries(openat(dirfd(entries), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), depth + 1);
    }
    closedir(entries);
    return count < 0 ? LONG_MIN / 2 : count;
}

static long count_below(const char *folder)
{
    return count_entries(open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), 0);
}

/* A terminal of the kind that Nix gives to a build: raw, of no width. Its other end, or -1. */
static int open_terminal(int *end)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    char name[128];
    struct termios mode;
    if (master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0 && ptsname_r(master, name, sizeof name) == 0
        && (*end = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC)) >= 0) {
        if (tcgetattr(*end, &mode) == 0) {
            cfmakeraw(&mode);
            if (tcsetattr(*end, TCSANOW, &mode) == 0)
                return master;
        }
        close(*end);
    }
    if (master >= 0)
        close(master);
    return -1;
}

/* What comes out of a pipe or a terminal, whose end is an error. */
static bool read_messages(int from, struct buffer *messages)
{
    bool whole = read_all(from, messages, MOST_MESSAGES);
    return whole || (errno == EIO && messages->length <= MOST_MESSAGES && !messages->failed);
}

/* Runs the compile; its exit code, or REFUSED. */
static int run_tool(const char *tool, const struct manifest *manifest, struct buffer *messages, uint64_t *time)
{
    uint64_t before = processor_time(RUSAGE_CHILDREN);
    int said[2], nowhere[2];
    if (pipe2(nowhere, O_CLOEXEC))
        return REFUSED;
    close(nowhere[0]);                          /* its output goes to a file: who writes to stdout as well ends there       */
    if (manifest->is_terminal ? (said[0] = open_terminal(&said[1])) < 0 : pipe2(said, O_CLOEXEC) < 0)
        return REFUSED;
    pid_t child = fork();
    if (child == 0) {
        int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
        signal(SIGPIPE, SIG_DFL);
        if (nothing >= 0 && dup2(nothing, 0) == 0 && dup2(nowhere[1], 1) == 1 && dup2(said[1], 2) == 2)
            execve(tool, manifest->arguments, manifest->environment);
        _exit(127);
    }
    close(said[1]);
    bool whole = child > 0 && read_messages(said[0], messages);
    close(said[0]);
    close(nowhere[1]);
    int status = -1;
    if (child > 0 && !whole)
        kill(child, SIGKILL);
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    *time = processor_time(RUSAGE_CHILDREN) - before;
    return whole && WIFEXITED(status) ? WEXITSTATUS(status) : REFUSED;
}

static int compile_unit(struct manifest *manifest, const char *tool, const char *top, const char *out, struct buffer *messages,
                        uint64_t *time)
{
    struct buffer text = { 0 };
    unsigned char digest[SHA256_SIZE];
    if (strcmp(base_name(manifest->name), base_name(tool)) || !make_files(manifest, top))
        return REFUSED;
    int count = (int)manifest->argument_count, output = (int)manifest->output;
    if (!scan(tool, manifest->arguments, count, output, manifest->environment, &text))
        return REFUSED;
    sha256(&text, digest);
    release(&text);
    if (memcmp(digest, manifest->digest, SHA256_SIZE))
        return REFUSED;

    char *name = absolute_path(out, "out");
    if (!name)
        return REFUSED;
    free(manifest->arguments[output]);
    manifest->arguments[output] = name;
    long before = count_below(top);
    int code = run_tool(tool, manifest, messages, time);
    struct stat status;
    bool has_output = lstat(name, &status) == 0 && S_ISREG(status.st_mode);
    bool left_only_its_output = before >= 0 && count_below(top) == before && count_below(out) == has_output;
    return left_only_its_output && (has_output || code) ? code : REFUSED;
}

/* Writes a file of the result. */
static bool leave(const char *out, const char *name, const void *bytes, size_t length)
{
    char *path = NULL;
    bool written = asprintf(&path, "%s/%s", out, name) >= 0 && write_file(path, bytes, length);
    free(path);
    return written;
}

static bool leave_number(const char *out, const char *name, uint64_t number)
{
    char text[32];
    int length = snprintf(text, sizeof text, "%llu", (unsigned long long)number);
    return leave(out, name, text, (size_t)length);
}

static int run(void)
{
    const char *name = getenv("manifest"), *tool = getenv("tool"), *out = getenv("out");
    struct buffer bytes = { 0 }, messages = { 0 };
    struct manifest manifest;
    char *top = getcwd(NULL, 0);
    uint64_t time = 0;
    if (!name || !tool || !out || !top || strlen(top) < 2) {
        fputs("nixbuildfarm-shim: run needs manifest, tool and out in its environment, and a folder of its own\n", stderr);
        return 64;
    }
    if (!read_file(name, &bytes, MOST_MANIFEST) || !read_manifest(&manifest, &bytes)) {
        fprintf(stderr, "nixbuildfarm-shim: %s is not the manifest of a compile\n", name);
        return 65;
    }
    umask(022);
    if (mkdir(out, 0777)) {
        fprintf(stderr, "nixbuildfarm-shim: cannot make %s: %s\n", out, strerror(errno));
        return 73;
    }
    int code = compile_unit(&manifest, tool, top, out, &messages, &time);
    if (code == REFUSED)
        messages.length = 0;
    bool written = leave(out, "err", messages.bytes, messages.length) && leave_number(out, "time", time)
        && leave_number(out, "rc", (uint64_t)code);
    if (!written)
        fprintf(stderr, "nixbuildfarm-shim: cannot write to %s: %s\n", out, strerror(errno));
    return written ? 0 : 74;
}
