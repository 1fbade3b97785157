/* ---- shadow: the folder that is mounted over the compiler's own ------------------------------------------------------ */

/* A builder: $toolchain is the compiler's store path. Proves that it has exactly one folder libexec/gcc/TARGET/VERSION with
   a compiler proper, reached through folders only, and makes $out/folder, which names it, and $out/shadow, which takes its
   place: cc1 and cc1plus are this program, everything else is the original's. Nix empties a file over which it mounts, and
   follows links, so nothing is ever mapped that was not proven here to be a folder. */

#define MOST_ENTRIES 1000

static bool is_folder(const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

static bool has_tool(const char *folder)
{
    static const char *const tools[] = { "cc1", "cc1plus" };
    bool found = false;
    for (int i = 0; i < 2; i++) {
        char *path = NULL;
        struct stat status;
        if (asprintf(&path, "%s/%s", folder, tools[i]) < 0)
            return false;
        found |= lstat(path, &status) == 0 && S_ISREG(status.st_mode) && status.st_mode & 0100;
        free(path);
    }
    return found;
}

/* Goes through the folders of a folder, `levels` deep, and counts those that hold a compiler proper; keeps the last one's
   name. Negative when something cannot be read. */
static int find_compilers(const char *folder, int levels, char **found)
{
    if (!levels) {
        if (!has_tool(folder))
            return 0;
        free(*found);
        *found = strdup(folder);
        return *found ? 1 : -1000;
    }
    DIR *entries = opendir(folder);
    int count = entries ? 0 : -1000;
    for (struct dirent *entry; entries && count >= 0 && (entry = readdir(entries));) {
        char *path = NULL;
        if (entry->d_name[0] == '.')
            continue;
        if (asprintf(&path, "%s/%s", folder, entry->d_name) < 0)
            count = -1000;
        else if (is_folder(path))
            count += find_compilers(path, levels - 1, found);
        free(path);
    }
    if (entries)
        closedir(entries);
    return count;
}

static bool make_link(const char *folder, const char *name, const char *target)
{
    char *path = NULL;
    bool made = asprintf(&path, "%s/%s", folder, name) >= 0 && symlink(target, path) == 0;
    free(path);
    return made;
}

static bool make_shadow(const char *original, const char *shadow)
{
    char self[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    DIR *entries = length > 0 ? opendir(original) : NULL;
    bool made = entries && mkdir(shadow, 0777) == 0;
    int count = 0;
    if (length > 0)
        self[length] = 0;
    for (struct dirent *entry; made && (entry = readdir(entries));) {
        const char *name = entry->d_name;
        if (!strcmp(name, ".") || !strcmp(name, ".."))
            continue;
        char *target = NULL;
        made = ++count <= MOST_ENTRIES && asprintf(&target, ORIGINAL_FOLDER "/%s", name) >= 0
            && make_link(shadow, name, is_tool(name) ? self : target);
        free(target);
    }
    if (entries)
        closedir(entries);
    return made;
}

static int shadow(void)
{
    const char *toolchain = getenv("toolchain"), *out = getenv("out");
    char *libexec = NULL, *compilers = NULL, *original = NULL, *folder = NULL, *name = NULL;
    if (!toolchain || !out || !starts_with(toolchain, STORE_FOLDER) || strchr(toolchain + strlen(STORE_FOLDER), '/')) {
        fputs("nixbuildfarm-shim: shadow needs toolchain, a store path, and out in its environment\n", stderr);
        return 64;
    }
    if (asprintf(&libexec, "%s/libexec", toolchain) < 0 || asprintf(&compilers, "%s/gcc", libexec) < 0
        || asprintf(&folder, "%s/folder", out) < 0 || asprintf(&name, "%s/shadow", out) < 0)
        return 71;
    int count = is_folder(toolchain) && is_folder(libexec) && is_folder(compilers) ? find_compilers(compilers, 2, &original) : 0;
    if (count != 1) {
        fprintf(stderr, "nixbuildfarm-shim: %s has %s folder libexec/gcc/TARGET/VERSION with cc1 or cc1plus\n",
                toolchain, count > 1 ? "more than one" : "no");
        return 65;
    }
    struct buffer line = { 0 };
    append(&line, original + strlen(toolchain) + 1, strlen(original) - strlen(toolchain) - 1);
    append(&line, "\n", 1);
    umask(022);
    if (line.failed || mkdir(out, 0777) || !write_file(folder, line.bytes, line.length) || !make_shadow(original, name)) {
        fprintf(stderr, "nixbuildfarm-shim: cannot write to %s: %s\n", out, strerror(errno));
        return 74;
    }
    return 0;
}
