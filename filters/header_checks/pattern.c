/* Compiling and matching, by PCRE2 and by the C library. The C library has no limit on its work:
 * the filter's timeout bounds it, by ending the worker. */
#include "pattern.h"

#include <regex.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#define MOST_HEAP (32 * 1024)       /* KiB, for backtracking */
#define JIT_STACK (1024 * 1024)     /* octets */
#define FIRST_JIT_STACK (32 * 1024) /* octets */

struct _Pattern
{
  PatternKind kind;
  pcre2_code *pcre; /* one of the two */
  regex_t *posix;
};

struct _PatternMatcher
{
  pcre2_match_data *data;
  pcre2_match_context *context;
  pcre2_jit_stack *stack;
  GString *line; /* the subject with a NUL behind it, as the C library wants it */
};

typedef struct
{
  char letter;
  guint32 option;
} Flag;

/* pcre_table(5). X is PCRE's first edition's, and always on in the second. */
static const Flag pcre_flags[] = {
  { 'i', PCRE2_CASELESS },
  { 'm', PCRE2_MULTILINE },
  { 's', PCRE2_DOTALL },
  { 'x', PCRE2_EXTENDED },
  { 'A', PCRE2_ANCHORED },
  { 'E', PCRE2_DOLLAR_ENDONLY },
  { 'U', PCRE2_UNGREEDY },
  { 'X', 0 },
  { '\0', 0 },
};

/* regexp_table(5) */
static const Flag posix_flags[]
    = { { 'i', REG_ICASE }, { 'm', REG_NEWLINE }, { 'x', REG_EXTENDED }, { '\0', 0 } };

const char *
pattern_flags (PatternKind kind)
{
  return kind == PATTERN_PCRE ? "imsxAEUX" : "imx";
}

/* Each letter toggles. */
static guint32
read_flags (const Flag *known, const char *flags, guint32 options)
{
  for (; *flags != '\0'; flags++)
    for (const Flag *flag = known; flag->letter != '\0'; flag++)
      if (flag->letter == *flags)
        options ^= flag->option;
  return options;
}

static pcre2_code *
compile_pcre (const char *text, gsize length, guint32 options, gsize *offset, GError **error)
{
  int code = 0;
  pcre2_code *pcre = pcre2_compile ((PCRE2_SPTR) text, length, options, &code, offset, NULL);
  PCRE2_UCHAR message[200];
  guint32 all = 0;

  if (pcre == NULL)
    {
      pcre2_get_error_message (code, message, sizeof message);
      g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "bad pattern: %s", (char *) message);
      return NULL;
    }
  pcre2_pattern_info (pcre, PCRE2_INFO_ALLOPTIONS, &all);
  /* "(*UTF)": octets that are no UTF-8 must not make matching fail. */
  if ((all & PCRE2_UTF) == 0 || (all & PCRE2_MATCH_INVALID_UTF) != 0)
    return pcre;
  pcre2_code_free (pcre);
  return compile_pcre (text, length, options | PCRE2_MATCH_INVALID_UTF, offset, error);
}

static regex_t *
compile_posix (const char *text, gsize length, guint32 options, GError **error)
{
  g_autofree char *copy = g_strndup (text, length);
  g_autofree regex_t *posix = g_new0 (regex_t, 1);
  int code = regcomp (posix, copy, (int) options);
  char message[200];

  if (code == 0)
    return g_steal_pointer (&posix);
  regerror (code, posix, message, sizeof message);
  g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "bad pattern: %s", message);
  return NULL;
}

Pattern *
pattern_new (PatternKind kind, const char *text, gsize length, const char *flags, gsize *offset,
             GError **error)
{
  Pattern pattern = { .kind = kind };
  guint32 options;

  *offset = 0;
  if (length > PATTERN_MAX_LENGTH)
    {
      g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL,
                   "the pattern is longer than %u characters", PATTERN_MAX_LENGTH);
      return NULL;
    }
  if (kind == PATTERN_PCRE)
    {
      options = read_flags (pcre_flags, flags, PCRE2_CASELESS | PCRE2_DOTALL);
      pattern.pcre = compile_pcre (text, length, options, offset, error);
      /* Where memory can not be made executable it is interpreted: slower, and the same. */
      if (pattern.pcre != NULL)
        pcre2_jit_compile (pattern.pcre, PCRE2_JIT_COMPLETE);
    }
  else
    {
      options = read_flags (posix_flags, flags, REG_EXTENDED | REG_ICASE);
      pattern.posix = compile_posix (text, length, options, error);
    }
  return pattern.pcre == NULL && pattern.posix == NULL ? NULL
                                                       : g_memdup2 (&pattern, sizeof pattern);
}

void
pattern_free (Pattern *pattern)
{
  if (pattern == NULL)
    return;
  pcre2_code_free (pattern->pcre);
  if (pattern->posix != NULL)
    regfree (pattern->posix);
  g_free (pattern->posix);
  g_free (pattern);
}

guint
pattern_groups (const Pattern *pattern)
{
  guint32 count = 0;

  if (pattern->kind == PATTERN_REGEXP)
    return (guint) pattern->posix->re_nsub;
  pcre2_pattern_info (pattern->pcre, PCRE2_INFO_CAPTURECOUNT, &count);
  return count;
}

PatternMatcher *
pattern_matcher_new (guint limit)
{
  PatternMatcher *matcher = g_new0 (PatternMatcher, 1);

  matcher->data = pcre2_match_data_create (PATTERN_MAX_GROUPS + 1, NULL);
  matcher->context = pcre2_match_context_create (NULL);
  matcher->stack = pcre2_jit_stack_create (FIRST_JIT_STACK, JIT_STACK, NULL);
  matcher->line = g_string_new (NULL);
  if (matcher->data == NULL || matcher->context == NULL)
    g_error ("out of memory");
  pcre2_set_match_limit (matcher->context, limit);
  pcre2_set_heap_limit (matcher->context, MOST_HEAP);
  pcre2_jit_stack_assign (matcher->context, NULL, matcher->stack);
  return matcher;
}

void
pattern_matcher_free (PatternMatcher *matcher)
{
  if (matcher == NULL)
    return;
  pcre2_match_data_free (matcher->data);
  pcre2_match_context_free (matcher->context);
  pcre2_jit_stack_free (matcher->stack);
  g_string_free (matcher->line, TRUE);
  g_free (matcher);
}

static PatternResult
match_pcre (const Pattern *pattern, PatternMatcher *matcher, const char *subject, gsize length,
            guint groups, PatternMatch *match)
{
  PCRE2_SPTR text = (PCRE2_SPTR) subject;
  const gsize *spans = pcre2_get_ovector_pointer (matcher->data);
  int got = pcre2_match (pattern->pcre, text, length, 0, 0, matcher->data, matcher->context);

  if (got == PCRE2_ERROR_JIT_STACKLIMIT) /* the interpreter has its own, larger memory */
    got = pcre2_match (pattern->pcre, text, length, 0, PCRE2_NO_JIT, matcher->data,
                       matcher->context);
  if (got < 0)
    return got == PCRE2_ERROR_NOMATCH ? PATTERN_NO : PATTERN_FAILED;
  for (guint i = 0; groups > 0 && i <= groups; i++)
    {
      gboolean took_part = i < (guint) got && spans[2 * i] <= spans[2 * i + 1];

      match->spans[2 * i] = took_part ? spans[2 * i] : G_MAXSIZE;
      match->spans[2 * i + 1] = took_part ? spans[2 * i + 1] : G_MAXSIZE;
    }
  return PATTERN_YES;
}

static PatternResult
match_posix (const Pattern *pattern, PatternMatcher *matcher, const char *subject, gsize length,
             guint groups, PatternMatch *match)
{
  regmatch_t spans[PATTERN_MAX_GROUPS + 1] = { { 0, (regoff_t) length } };
  gsize wanted = groups > 0 ? groups + 1 : 0;
  int code;

  g_string_truncate (matcher->line, 0);
  g_string_append_len (matcher->line, subject, (gssize) length);
  code = regexec (pattern->posix, matcher->line->str, wanted, spans, REG_STARTEND);
  if (code != 0)
    return code == REG_NOMATCH ? PATTERN_NO : PATTERN_FAILED;
  for (guint i = 0; i < wanted; i++)
    {
      match->spans[2 * i] = spans[i].rm_so < 0 ? G_MAXSIZE : (gsize) spans[i].rm_so;
      match->spans[2 * i + 1] = spans[i].rm_so < 0 ? G_MAXSIZE : (gsize) spans[i].rm_eo;
    }
  return PATTERN_YES;
}

PatternResult
pattern_match (const Pattern *pattern, PatternMatcher *matcher, const char *subject, gsize length,
               guint groups, PatternMatch *match)
{
  return pattern->kind == PATTERN_PCRE
             ? match_pcre (pattern, matcher, subject, length, groups, match)
             : match_posix (pattern, matcher, subject, length, groups, match);
}
