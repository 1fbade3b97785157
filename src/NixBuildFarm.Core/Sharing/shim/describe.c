/* ---- describe: what the coordinator is told of a unit ----------------------------------------------------------------- */

/* Argument zero, folder, digest of the text, whether stderr is a terminal, environment, arguments, which of them is the
   output, store paths, files: the manifest that `run` reads begins in the same way. */

#define MOST_DESCRIPTION (8u * 1024 * 1024)

/* Whether a variable, as NAME=value, has a name; one that ends in * stands for all that begin so. */
static bool has_name(const char *variable, const char *name)
{
    size_t length = strlen(name);
    if (name[length - 1] == '*')
        return !strncmp(variable, name, length - 1);
    return !strncmp(variable, name, length) && variable[length] == '=';
}

static bool is_sent(const char *variable)
{
    for (size_t i = 0; i < sizeof variables_sent / sizeof *variables_sent; i++)
        if (has_name(variable, variables_sent[i]))
            return true;
    return false;
}

/* The compiler takes $PWD for the folder's name where it leads there, and writes it into debug information. So it goes
   along when it is that name, is left out when it leads elsewhere, and keeps the compile at home when it is another name. */
static bool describe_environment(struct buffer *out, struct unit *unit, const char *folder)
{
    extern char **environ;
    const char *pwd = getenv("PWD");
    struct stat here, there;
    bool leads_here = pwd && stat(".", &here) == 0 && stat(pwd, &there) == 0 && here.st_dev == there.st_dev && here.st_ino == there.st_ino;
    if (leads_here && strcmp(pwd, folder))
        return unit_fails(unit, "$PWD is another name of its folder");

    struct buffer variables = { 0 };
    uint32_t count = 0;
    for (char **variable = environ; *variable; variable++)
        if (is_sent(*variable) || (leads_here && starts_with(*variable, "PWD="))) {
            append_string(&variables, *variable);
            count++;
        }
    append_u32(out, count);
    append(out, variables.bytes, variables.length);
    out->failed |= variables.failed;
    release(&variables);
    return true;
}

static void describe_arguments(struct buffer *out, const struct command *command)
{
    uint32_t count = 0, output = 0;
    struct buffer arguments = { 0 };
    for (int i = 1; i < command->count; i++) {
        if (command->is_dependency[i])
            continue;
        if (i == command->output)
            output = count;
        append_string(&arguments, i == command->output ? "" : command->arguments[i]);
        count++;
    }
    append_u32(out, count);
    append(out, arguments.bytes, arguments.length);
    append_u32(out, output);
    out->failed |= arguments.failed;
    release(&arguments);
}

/* Length of the store path that a name lies below. */
static size_t store_path_length(const char *name)
{
    const char *rest = name + strlen(STORE_FOLDER);
    return strlen(STORE_FOLDER) + strcspn(rest, "/");
}

/* Store paths, each once: few of them, with many headers in each. */
struct store_paths {
    struct buffer strings;
    uint32_t count;
};

static void add_store_path(struct store_paths *paths, const char *name)
{
    size_t length = store_path_length(name);
    const struct buffer *strings = &paths->strings;
    if (strings->failed)
        return;
    for (size_t at = 0; at + 4 <= strings->length; at += 4 + decode_u32(strings->bytes + at))
        if (decode_u32(strings->bytes + at) == length && !memcmp(strings->bytes + at + 4, name, length))
            return;
    append_blob(&paths->strings, name, length);
    paths->count++;
}

static bool describe_store_paths(struct buffer *out, struct unit *unit)
{
    extern char **environ;
    struct store_paths paths = { 0 };
    for (uint32_t i = 0; i < unit->count; i++)
        if (unit->files[i].is_in_store)
            add_store_path(&paths, unit->files[i].name);
    for (char **variable = environ; *variable; variable++) {
        const char *value = strchr(*variable, '=');
        if (!has_name(*variable, LOCALES) || !value)
            continue;
        if (!starts_with(value + 1, STORE_FOLDER))
            return unit_fails(unit, "its locales are not in the store");
        add_store_path(&paths, value + 1);
    }
    append_u32(out, paths.count);
    append(out, paths.strings.bytes, paths.strings.length);
    out->failed |= paths.strings.failed;
    release(&paths.strings);
    return true;
}

static void describe_files(struct buffer *out, const struct unit *unit)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < unit->count; i++)
        count += !unit->files[i].is_in_store;
    append_u32(out, count);
    for (uint32_t i = 0; i < unit->count; i++) {
        const struct file *file = &unit->files[i];
        if (file->is_in_store)
            continue;
        append_string(out, file->name);
        append_u64(out, file->content.length);
        append(out, file->digest, SHA256_SIZE);
        append_u32(out, file->has_twin);
        append_u64(out, file->has_twin ? file->time : 0);
    }
}

/* The description that goes to the coordinator. */
static bool describe(struct buffer *out, struct unit *unit, const struct command *command, const unsigned char text[SHA256_SIZE])
{
    char *folder = getcwd(NULL, 0);
    if (!folder)
        return unit_fails(unit, "its folder has no name");
    struct winsize size = { 0 };
    bool is_terminal = isatty(2);
    if (is_terminal && (ioctl(2, TIOCGWINSZ, &size) || size.ws_col)) {
        free(folder);
        return unit_fails(unit, "its terminal has a width");
    }
    append_string(out, command->arguments[0]);
    append_string(out, folder);
    append(out, text, SHA256_SIZE);
    append_u32(out, is_terminal);
    bool described = describe_environment(out, unit, folder);
    free(folder);
    if (!described)
        return false;
    describe_arguments(out, command);
    if (!describe_store_paths(out, unit))
        return false;
    describe_files(out, unit);
    if (out->failed || out->length > MOST_DESCRIPTION)
        return unit_fails(unit, "its description is too large");
    return true;
}
