/* ---- broker: where the relay listens, and how it begins and ends ------------------------------------------------------ */

/* Runs on the build's builder, over a channel whose two ends are standard input and output. It ends with its input or a
   signal, and takes its folder along. */

/* Below a folder that nobody else can list, a new one with a name that nobody can guess: the sandbox needs to get in, and
   nobody else does. False when that cannot be had below `parent`. */
static bool make_folder(const char *parent, char *folder, size_t size)
{
    unsigned char random[16];
    char name[2 * sizeof random + 1];
    struct stat status;
    if (getrandom(random, sizeof random, 0) != sizeof random)
        return false;
    for (size_t i = 0; i < sizeof random; i++)
        snprintf(name + 2 * i, 3, "%02x", random[i]);
    if (snprintf(folder, size, "%s/%s", parent, name) >= (int)size)
        return false;
    for (int tries = 0; tries < 10; tries++) {
        if (mkdir(parent, 0711) && errno != EEXIST)
            return false;
        if (lstat(parent, &status) || !S_ISDIR(status.st_mode) || status.st_uid != geteuid() || (status.st_mode & 0066))
            return false;
        if (mkdir(folder, 0711) == 0)
            return true;
        if (errno != ENOENT)                    /* another broker that ended took the parent along                          */
            return false;
    }
    return false;
}

static struct sockaddr_un socket_in(const char *folder)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    snprintf(address.sun_path, sizeof address.sun_path, "%.90s/socket", folder);
    return address;
}

/* Removes what brokers have left that were killed. One that just begins has a young folder. */
static void remove_stale_folders(const char *parent)
{
    DIR *entries = opendir(parent);
    for (struct dirent *entry; entries && (entry = readdir(entries));) {
        char folder[120];
        struct stat status;
        if (entry->d_name[0] == '.' || snprintf(folder, sizeof folder, "%s/%s", parent, entry->d_name) >= (int)sizeof folder)
            continue;
        if (lstat(folder, &status) || !S_ISDIR(status.st_mode) || time(NULL) - status.st_ctime < STALE_AFTER)
            continue;
        struct sockaddr_un address = socket_in(folder);
        int end = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (end < 0)
            continue;
        if (connect(end, (const struct sockaddr *)&address, sizeof address) && (errno == ECONNREFUSED || errno == ENOENT)) {
            unlink(address.sun_path);
            rmdir(folder);
        }
        close(end);
    }
    if (entries)
        closedir(entries);
}

/* The group of the build users, read from the file itself: those users are the machine's own. */
static void find_group(struct relay *relay, const char *name)
{
    FILE *file = fopen("/etc/group", "re");
    for (struct group *group; file && !relay->has_group && (group = fgetgrent(file));)
        if (!strcmp(group->gr_name, name)) {
            relay->group = group->gr_gid;
            relay->has_group = true;
        }
    if (file)
        fclose(file);
}

static int listen_at(struct sockaddr_un *address)
{
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listener >= 0 && (bind(listener, (const struct sockaddr *)address, sizeof *address)
                          || chmod(address->sun_path, 0666) || listen(listener, MOST_SHIMS))) {
        close(listener);
        return -1;
    }
    return listener;
}

static bool set_non_blocking(int descriptor)
{
    int flags = fcntl(descriptor, F_GETFL);
    return flags >= 0 && fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) == 0;
}

static int broker(const char *group)
{
    static struct relay relay;
    char parent[64], folder[120];
    sigset_t stops, before;
    sigemptyset(&stops);
    struct sigaction stop = { .sa_handler = stop_broker };
    const int numbers[] = { SIGTERM, SIGINT, SIGHUP };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        sigaddset(&stops, numbers[i]);
        sigaction(numbers[i], &stop, NULL);
    }
    sigprocmask(SIG_BLOCK, &stops, &before);    /* so that a signal comes only while nothing is half done                   */
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        sigdelset(&before, numbers[i]);
    signal(SIGPIPE, SIG_IGN);

    umask(0);
    snprintf(parent, sizeof parent, RUN_FOLDER "/nixbuildfarm-%u", (unsigned)geteuid());
    if (!make_folder(parent, folder, sizeof folder)) {
        snprintf(parent, sizeof parent, "/tmp/nixbuildfarm-%u", (unsigned)geteuid());
        if (!make_folder(parent, folder, sizeof folder)) {
            fprintf(stderr, "nixbuildfarm-shim: cannot make a folder below " RUN_FOLDER " or %s: %s\n", parent, strerror(errno));
            return 1;
        }
    }
    remove_stale_folders(parent);
    struct sockaddr_un address = socket_in(folder);
    find_group(&relay, group);
    relay.next_connection = 1;
    relay.listener = listen_at(&address);
    int code = 1;
    if (relay.listener < 0)
        fprintf(stderr, "nixbuildfarm-shim: cannot listen at %s: %s\n", address.sun_path, strerror(errno));
    else if (dprintf(1, "nixbuildfarm-broker 1 %s\n", folder) > 0 && set_non_blocking(0) && set_non_blocking(1)) {
        relay_frames(&relay, &before);
        code = 0;
    }
    unlink(address.sun_path);
    rmdir(folder);
    rmdir(parent);                              /* stays while other brokers are below it                                   */
    return code;
}
