/* ---- unit: what a compile is made of --------------------------------------------------------------------------------- */

#define MOST_FILES 3000
#define MOST_CONTENT (256u * 1024 * 1024)

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
