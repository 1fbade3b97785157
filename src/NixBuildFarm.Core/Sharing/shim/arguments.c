/* ---- arguments: which compiles may be shared ------------------------------------------------------------------------- */

/* Only what is known is shared. An option that makes the compiler read or write further files, or that makes its output
   depend on the machine or on the moment, stays at home, and so does every option that is not known. Two nets lie below:
   `run` refuses a compile that left a file besides its output, and the digest of the text tells that both read the same. */

enum role {
    SHARED,         /* takes part in the compile as it is                                                                   */
    DEPENDENCIES,   /* about the file of dependencies: the scan at home writes that, the helper does not get the option     */
    THE_OUTPUT,     /* names the output                                                                                     */
    AT_HOME,        /* stays at home, but takes a slot like any compile                                                     */
    NO_COMPILE,     /* nothing is compiled, or it may wait for another: stays at home, without a slot                       */
};

enum form {
    EXACT,          /* the whole argument                                                                                   */
    PREFIX,         /* how the argument begins                                                                              */
    SEPARATE,       /* the whole argument, and the next one is its value                                                    */
    EITHER,         /* its value is joined to it, or is the next argument                                                   */
};

struct option {
    const char *name;
    enum form form;
    enum role role;
    const char *why;
};

/* The first that fits counts. */
static const struct option options[] = {
    { "-E", EXACT, NO_COMPILE, "it only preprocesses" },
    { "-M", EXACT, NO_COMPILE, "it only lists dependencies" },
    { "-MM", EXACT, NO_COMPILE, "it only lists dependencies" },
    { "-MG", EXACT, AT_HOME, "headers may be missing" },
    { "-MP", EXACT, DEPENDENCIES, 0 },
    { "-MD", SEPARATE, DEPENDENCIES, 0 },
    { "-MMD", SEPARATE, DEPENDENCIES, 0 },
    { "-MF", EITHER, DEPENDENCIES, 0 },
    { "-MT", EITHER, DEPENDENCIES, 0 },
    { "-MQ", EITHER, DEPENDENCIES, 0 },
    { "-o", SEPARATE, THE_OUTPUT, 0 },
    { "-D", EITHER, SHARED, 0 },
    { "-U", EITHER, SHARED, 0 },
    { "-A", EITHER, SHARED, 0 },
    { "-I", EITHER, SHARED, 0 },
    { "-imacros", EITHER, AT_HOME, "the text does not name the file that -imacros reads" },
    { "-include", EITHER, SHARED, 0 },
    { "-isystem", EITHER, SHARED, 0 },
    { "-iquote", EITHER, SHARED, 0 },
    { "-idirafter", EITHER, SHARED, 0 },
    { "-isysroot", EITHER, SHARED, 0 },
    { "-iprefix", EITHER, SHARED, 0 },
    { "-iwithprefixbefore", EITHER, SHARED, 0 },
    { "-iwithprefix", EITHER, SHARED, 0 },
    { "-imultiarch", SEPARATE, SHARED, 0 },
    { "-imultilib", SEPARATE, SHARED, 0 },
    { "--sysroot=", PREFIX, SHARED, 0 },
    { "--param", SEPARATE, SHARED, 0 },
    { "--param=", PREFIX, SHARED, 0 },
    { "-dumpbase", SEPARATE, SHARED, 0 },               /* names of dumps, of which there are none here: -d… stays at home  */
    { "-dumpbase-ext", SEPARATE, SHARED, 0 },
    { "-dumpdir", SEPARATE, SHARED, 0 },
    { "-auxbase", SEPARATE, SHARED, 0 },
    { "-auxbase-strip", SEPARATE, SHARED, 0 },
    { "-dD", EXACT, SHARED, 0 },                        /* beside -g3; without -E it does nothing                           */
    { "-quiet", EXACT, SHARED, 0 },
    { "-ansi", EXACT, SHARED, 0 },
    { "-w", EXACT, SHARED, 0 },
    { "-p", EXACT, SHARED, 0 },
    { "-pg", EXACT, SHARED, 0 },
    { "-undef", EXACT, SHARED, 0 },
    { "-trigraphs", EXACT, SHARED, 0 },
    { "-nostdinc", EXACT, SHARED, 0 },
    { "-nostdinc++", EXACT, SHARED, 0 },
    { "-pedantic", EXACT, SHARED, 0 },
    { "-pedantic-errors", EXACT, SHARED, 0 },
    { "-std=", PREFIX, SHARED, 0 },
    { "-O", PREFIX, SHARED, 0 },
    { "-g", PREFIX, SHARED, 0 },
    { "-Wmissing-include-dirs", EXACT, AT_HOME, "it looks for folders that hold no file of the compile" },
    { "-Werror=missing-include-dirs", EXACT, AT_HOME, "it looks for folders that hold no file of the compile" },
    { "-W", PREFIX, SHARED, 0 },
    { "-m", PREFIX, SHARED, 0 },
    { "-f", PREFIX, SHARED, 0 },                        /* but see the words below                                          */
};

/* Words in an option -f…. Words, since new versions of gcc add new options to the same families. */
static const struct { const char *word, *why; } words_at_home[] = {
    { "profile", "it reads or writes a profile" },
    { "coverage", "it writes notes for coverage" },
    { "branch-probabilities", "it reads a profile" },
    { "dump", "it writes dumps" },
    { "verbose", "it writes what depends on the machine" },
    { "record", "it writes its own arguments into the output" },
    { "report", "it reports times or memory" },
    { "opt-info", "it writes a report" },
    { "callgraph-info", "it writes a further file" },
    { "stack-usage", "it writes a further file" },
    { "fsave-", "it writes a further file" },
    { "ada-spec", "it writes a further file" },
    { "deps", "it writes a further file" },
    { "diagnostics-format", "its messages may go to a file" },
    { "diagnostics-add-output", "its messages may go to a file" },
    { "diagnostics-set-output", "its messages may go to a file" },
    { "sarif", "its messages may go to a file" },
    { "fplugin", "it loads a plugin" },
    { "module", "it reads and writes modules" },
    { "pch", "it is about precompiled headers" },
    { "preprocessed", "its source is preprocessed, and names files that it does not read" },
    { "directives-only", "its source is preprocessed, and names files that it does not read" },
    { "syntax-only", "nothing is compiled" },
    { "compare-debug", "it writes a further file" },
    { "debug-cpp", "it is for those who debug the compiler" },
    { "dbg-cnt", "it is for those who debug the compiler" },
    { "self-test", "it is for those who debug the compiler" },
    { "offload", "it compiles for a second machine" },
    { "wpa", "it belongs to the link" },
    { "ltrans", "it belongs to the link" },
    { "resolution", "it belongs to the link" },
};

/* Variables: what the compiler proper looks at goes along (a name that ends in * stands for all that begin so). What makes
   it write a further file, or loads foreign code into it, keeps it at home. TMPDIR, PATH and the like change no output.
   PWD is not here: unit.c sends it where it is the working folder's name. */
#define LOCALES "LOCALE_ARCHIVE*"              /* files of the store: their store paths go along as those of headers do    */
static const char *const variables_sent[] = {
    "SOURCE_DATE_EPOCH", "LANG", "LANGUAGE", "LC_*", "GCC_*", "COLLECT_AS_OPTIONS", "TERM", "TERM_URLS", "COLORTERM",
    "COLUMNS", "VTE_VERSION", "NO_COLOR", "CPATH", "C_INCLUDE_PATH", "CPLUS_INCLUDE_PATH", "COMPILER_PATH", "NIX_STORE",
    LOCALES,
};
static const struct { const char *name, *why; } variables_at_home[] = {
    { "DEPENDENCIES_OUTPUT", "a file of dependencies is wanted by a variable" },
    { "SUNPRO_DEPENDENCIES", "a file of dependencies is wanted by a variable" },
    { "EXPERIMENTAL_SARIF_SOCKET", "its messages go to a socket" },
    { "LD_PRELOAD", "a library is loaded into the compiler" },
    { "LD_AUDIT", "a library is loaded into the compiler" },
    { "LD_LIBRARY_PATH", "the compiler may find other libraries" },
    { "GLIBC_TUNABLES", "the compiler's C library is tuned" },
    { "LOCPATH", "the compiler may find other locales" },
    { "GCONV_PATH", "the compiler may find other character sets" },
    { "NLSPATH", "the compiler may find other messages" },
};

struct command {
    char **arguments;               /* as called; NULL behind the last                                                      */
    int count;
    const char *tool;               /* cc1, cc1plus                                                                         */
    const char *source;
    int output;                     /* index of the output's name in arguments                                              */
    bool *is_dependency;            /* for each argument: left out for the helper                                           */
    enum role role;                 /* SHARED, AT_HOME or NO_COMPILE                                                        */
    const char *why;                /* why it stays at home                                                                 */
};

/* One that could only be read once, or that is written to while it is there, must not be touched twice. */
static bool is_plain(const char *name, bool may_be_absent)
{
    struct stat status;
    if (starts_with(name, "/dev/") || starts_with(name, "/proc/"))      /* /dev/stdout may be a file, and is another in the scan */
        return may_be_absent && !strcmp(name, "/dev/null");
    if (stat(name, &status))
        return may_be_absent && errno == ENOENT;
    return S_ISREG(status.st_mode);
}

static void keep_at_home(struct command *command, enum role role, const char *why)
{
    if (command->role == SHARED || (command->role == AT_HOME && role == NO_COMPILE)) {
        command->role = role;
        command->why = why;
    }
}

static const struct option *find_option(const char *argument)
{
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        bool whole = options[i].form == EXACT || options[i].form == SEPARATE;
        if (whole ? !strcmp(argument, options[i].name) : starts_with(argument, options[i].name))
            return &options[i];
    }
    return NULL;
}

/* What a name in an option -f… tells by its words and its value. */
static const char *why_flag_stays(const char *flag)
{
    const char *equals = strchr(flag, '=');
    size_t length = equals ? (size_t)(equals - flag) : strlen(flag);
    bool maps_names = length >= 11 && !memcmp(flag + length - 11, "-prefix-map", 11);
    if (maps_names && !memmem(flag, length, "profile", 7))
        return NULL;
    for (size_t i = 0; i < sizeof words_at_home / sizeof *words_at_home; i++)
        if (memmem(flag, length, words_at_home[i].word, strlen(words_at_home[i].word)))
            return words_at_home[i].why;
    if (equals && strchr(equals, '/') && !starts_with(flag, "-frandom-seed="))
        return "an option may name a file";
    return NULL;
}

static void read_option(struct command *command, int *index)
{
    const char *argument = command->arguments[*index], *value = NULL;
    const struct option *option = find_option(argument);
    if (!option) {
        char *why = NULL;
        keep_at_home(command, AT_HOME, asprintf(&why, "the option %.100s is not known", argument) < 0 ? "an option is not known" : why);
        return;
    }
    int first = *index;
    size_t length = strlen(option->name);
    if (option->form == EITHER && argument[length])
        value = argument + length;
    else if (option->form == EITHER || option->form == SEPARATE) {
        if (++*index >= command->count) {
            keep_at_home(command, AT_HOME, "an option lacks its value");
            return;
        }
        value = command->arguments[*index];
    }

    if (option->role == DEPENDENCIES)
        for (int i = first; i <= *index; i++)
            command->is_dependency[i] = true;
    if (option->role == THE_OUTPUT) {
        if (command->output)
            keep_at_home(command, AT_HOME, "there are several outputs");
        command->output = *index;
    }
    if (option->role == AT_HOME || option->role == NO_COMPILE)
        keep_at_home(command, option->role, option->why);
    if (!strcmp(option->name, "-include") && !is_plain(value, true))
        keep_at_home(command, AT_HOME, "a file can be read only once");
    if ((!strcmp(option->name, "-MD") || !strcmp(option->name, "-MMD") || !strcmp(option->name, "-MF")) && !is_plain(value, true))
        keep_at_home(command, AT_HOME, "the dependencies go to what is no file");
    if (!strcmp(option->name, "-f")) {
        const char *why = why_flag_stays(argument);
        if (why)
            keep_at_home(command, AT_HOME, why);
    }
    if (!strcmp(option->name, "-m") && ends_with(argument, "=native"))
        keep_at_home(command, AT_HOME, "it compiles for this very processor");
}

/* False when there is no memory. */
static bool read_command(struct command *command, int count, char **arguments)
{
    *command = (struct command){ .arguments = arguments, .count = count, .tool = base_name(arguments[0]) };
    command->is_dependency = calloc((size_t)count + 1, sizeof *command->is_dependency);
    if (!command->is_dependency)
        return false;
    for (int i = 1; i < count; i++) {
        const char *argument = arguments[i];
        if (!strcmp(argument, "-"))
            keep_at_home(command, NO_COMPILE, "its source is the standard input");
        else if (argument[0] == '@')
            keep_at_home(command, AT_HOME, "its arguments are in a file");
        else if (argument[0] == '-')
            read_option(command, &i);
        else if (command->source)
            keep_at_home(command, AT_HOME, "it has several sources");
        else
            command->source = argument;
    }
    if (!command->source)
        keep_at_home(command, NO_COMPILE, "it has no source");
    else if (!is_plain(command->source, false))
        keep_at_home(command, NO_COMPILE, "its source is not a file");
    if (!command->output)
        keep_at_home(command, AT_HOME, "its output has no name");
    else if (strcmp(arguments[command->output], "-") && !is_plain(arguments[command->output], true))
        keep_at_home(command, AT_HOME, "its output is not a file");
    for (size_t i = 0; i < sizeof variables_at_home / sizeof *variables_at_home; i++)
        if (getenv(variables_at_home[i].name))
            keep_at_home(command, AT_HOME, variables_at_home[i].why);
    return true;
}
