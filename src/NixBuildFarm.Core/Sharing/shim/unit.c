/* ---- unit: what a compile is made of --------------------------------------------------------------------------------- */

#define MOST_FILES 3000
#define MOST_CONTENT (256u * 1024 * 1024)
#define MOST_DESCRIPTION (8u * 1024 * 1024)

struct file {
    char *name;                     /* as the compiler names it                                                             */
    bool is_in_store;               /* then only the store path matters                                                     */
    struct buffer content;          /* read once: what is hashed is what is sent                                            */
    unsigned char digest[SHA256_SIZE];
    uint64_t time;                  /* of its last change, in seconds                                                       */
    bool has_twin;                  /* another file has the same content: #pragma once then compares times                  */
};

struct unit {
    struct file *files;             /* in the order in which the compiler names them first                                  */
    uint32_t count, capacity;
    uint32_t *index;                /* by hash of the name: 1 + position in files, or 0                                     */
    uint32_t index_size;            /* a power of two, at least twice the files                                             */
    size_t content;                 /* bytes of all contents                                                                */
    const char *why;                /* why it stays at home, or NULL                                                        */
};

static bool unit_fails(struct unit *unit, const char *why)
{
    if (!unit->why)
        unit->why = why;
    return false;
}

/* The place of a name in the index: where it stands, or where it would. */
static uint32_t index_place(const struct unit *unit, const char *name)
{
    uint32_t hash = 2166136261u;
    for (const char *c = name; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 16777619u;
    uint32_t place = hash & (unit->index_size - 1);
    while (unit->index[place] && strcmp(unit->files[unit->index[place] - 1].name, name))
        place = (place + 1) & (unit->index_size - 1);
    return place;
}

static bool grow_unit(struct unit *unit)
{
    if (unit->count < unit->capacity)
        return true;
    uint32_t capacity = unit->capacity ? unit->capacity * 2 : 256;
    struct file *files = realloc(unit->files, capacity * sizeof *files);
    if (!files)
        return false;
    unit->files = files;
    unit->capacity = capacity;
    uint32_t *index = calloc((size_t)capacity * 2, sizeof *index);
    if (!index)
        return false;
    free(unit->index);
    unit->index = index;
    unit->index_size = capacity * 2;
    for (uint32_t i = 0; i < unit->count; i++)
        unit->index[index_place(unit, unit->files[i].name)] = i + 1;
    return true;
}

/* Reads a file that the compile reads; the name is the unit's from here on. */
static bool add_file(struct unit *unit, char *name)
{
    if (!grow_unit(unit)) {
        free(name);
        return unit_fails(unit, "memory is short");
    }
    uint32_t place = index_place(unit, name);
    if (unit->index[place]) {
        free(name);
        return true;
    }
    struct file file = { .name = name, .is_in_store = starts_with(name, STORE_FOLDER) };
    unit->files[unit->count] = file;
    unit->index[place] = ++unit->count;
    if (unit->count > MOST_FILES)
        return unit_fails(unit, "it reads too many files");
    if (file.is_in_store)
        return true;

    char *precompiled = malloc(strlen(name) + 5);
    if (!precompiled)
        return unit_fails(unit, "memory is short");
    strcat(strcpy(precompiled, name), ".gch");
    bool is_precompiled = access(precompiled, F_OK) == 0;
    free(precompiled);
    if (is_precompiled)
        return unit_fails(unit, "a precompiled header may be used");

    struct stat status;
    int descriptor = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (descriptor < 0)
        return unit_fails(unit, "a file that the text names is not there");
    bool is_regular = fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode);
    bool whole = is_regular && read_all(descriptor, &file.content, MOST_CONTENT - unit->content);
    close(descriptor);
    if (!whole) {
        release(&file.content);
        return unit_fails(unit, is_regular ? "its files are too large" : "a file that the text names is not a file");
    }
    file.time = (uint64_t)status.st_mtime;
    unit->content += file.content.length;
    sha256(&file.content, file.digest);
    unit->files[unit->count - 1] = file;
    return true;
}

/* The name between the quotation marks of a line marker, of its own memory; NULL when it has none, or no memory. */
static char *marker_name(const unsigned char *from, const unsigned char *end)
{
    const unsigned char *quote = memchr(from, '"', (size_t)(end - from));
    char *name = quote ? malloc((size_t)(end - quote)) : NULL;
    if (!name)
        return NULL;
    size_t length = 0;
    for (const unsigned char *c = quote + 1; c < end && *c != '"'; c++) {
        if (*c != '\\') {
            name[length++] = (char)*c;
            continue;
        }
        if (++c == end)
            break;
        if (*c < '0' || *c > '7') {
            name[length++] = (char)*c;
            continue;
        }
        int value = 0;                                  /* an octal number of three digits at most                          */
        for (int digits = 0; digits < 3 && c < end && *c >= '0' && *c <= '7'; digits++, c++)
            value = value * 8 + (*c - '0');
        c--;
        name[length++] = (char)value;
    }
    name[length] = 0;
    return name;
}

/* A line that begins with #: a marker names a file, and a few directives read what no marker names. */
static bool read_directive(struct unit *unit, const unsigned char *line, const unsigned char *end)
{
    const unsigned char *c = line + 1;
    while (c < end && (*c == ' ' || *c == '\t'))
        c++;
    size_t left = (size_t)(end - c);
    if (left >= 5 && !memcmp(c, "embed", 5))
        return unit_fails(unit, "it embeds a file");
    if (left >= 6 && !memcmp(c, "pragma", 6)) {
        if (memmem(c, left, "pch_preprocess", 14))
            return unit_fails(unit, "a precompiled header is used");
        if (memmem(c, left, "dependency", 10))
            return unit_fails(unit, "a pragma compares the times of files");
    }
    if (line[1] != ' ' || left < 4 || *c < '0' || *c > '9')
        return true;
    char *name = marker_name(c, end);
    if (!name)
        return true;                                    /* # 1 without a name is no marker of the compiler's                */
    size_t length = strlen(name);
    bool is_file = length && name[0] != '<' && !(length > 2 && !strcmp(name + length - 2, "//"));     /* NAME// is the folder */
    if (is_file)
        return add_file(unit, name);
    free(name);
    return true;
}

static bool text_has(const struct buffer *text, const char *word)
{
    return memmem(text->bytes, text->length, word, strlen(word)) != NULL;
}

static int by_content(const void *left, const void *right)
{
    const struct file *const *a = left, *const *b = right;
    return memcmp((*a)->digest, (*b)->digest, SHA256_SIZE);
}

static bool find_twins(struct unit *unit)
{
    struct file **sorted = malloc((unit->count + 1) * sizeof *sorted);
    if (!sorted)
        return unit_fails(unit, "memory is short");
    uint32_t count = 0;
    for (uint32_t i = 0; i < unit->count; i++)
        if (!unit->files[i].is_in_store)
            sorted[count++] = &unit->files[i];
    qsort(sorted, count, sizeof *sorted, by_content);
    for (uint32_t i = 1; i < count; i++)
        if (!memcmp(sorted[i - 1]->digest, sorted[i]->digest, SHA256_SIZE))
            sorted[i - 1]->has_twin = sorted[i]->has_twin = true;
    free(sorted);
    return true;
}

/* Finds and reads the files that the text names. False: stays at home, unit->why says why. */
static bool read_unit(struct unit *unit, const struct buffer *text)
{
    if (!text->length)
        return unit_fails(unit, "the scan is empty");
    if (text_has(text, "__TIMESTAMP__"))
        return unit_fails(unit, "it asks for the time of a file");
    if (!getenv("SOURCE_DATE_EPOCH") && (text_has(text, "__DATE__") || text_has(text, "__TIME__")))
        return unit_fails(unit, "it asks for the time of day");
    if (text_has(text, "__has_embed"))
        return unit_fails(unit, "it embeds a file");
    const unsigned char *line = text->bytes, *end = text->bytes + text->length;
    while (line < end) {
        const unsigned char *next = memchr(line, '\n', (size_t)(end - line));
        if (!next)
            next = end;
        if (*line == '#' && !read_directive(unit, line, next))
            return false;
        line = next + 1;
    }
    return find_twins(unit);
}

static bool is_sent(const char *variable)
{
    for (size_t i = 0; i < sizeof variables_sent / sizeof *variables_sent; i++) {
        const char *name = variables_sent[i];
        size_t length = strlen(name);
        bool open_ended = name[length - 1] == '*';
        if (open_ended ? !strncmp(variable, name, length - 1) : !strncmp(variable, name, length) && variable[length] == '=')
            return true;
    }
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

static void describe_store_paths(struct buffer *out, const struct unit *unit)
{
    struct buffer paths = { 0 };
    uint32_t count = 0;
    for (uint32_t i = 0; i < unit->count; i++) {
        const char *name = unit->files[i].name;
        if (!unit->files[i].is_in_store)
            continue;
        size_t length = store_path_length(name);
        bool is_known = false;                          /* few store paths, many headers in each                            */
        for (size_t at = 0; at + 4 <= paths.length && !is_known; at += 4 + decode_u32(paths.bytes + at))
            is_known = decode_u32(paths.bytes + at) == length && !memcmp(paths.bytes + at + 4, name, length);
        if (is_known)
            continue;
        append_blob(&paths, name, length);
        count++;
    }
    append_u32(out, count);
    append(out, paths.bytes, paths.length);
    out->failed |= paths.failed;
    release(&paths);
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
    describe_store_paths(out, unit);
    describe_files(out, unit);
    if (out->failed || out->length > MOST_DESCRIPTION)
        return unit_fails(unit, "its description is too large");
    return true;
}
