/* Reads the tokens of a Content-Type field (RFC 2045 section 5.1). Any text can be read. */
#include "content-type.h"

#include <string.h>

#define SPECIALS "()<>@,;:\\\"/[]?="
#define MOST_TOKENS 3 /* of one parameter that are kept: name, "=", value */

typedef enum
{
  TOKEN_SPECIAL,
  TOKEN_WORD,
  TOKEN_QUOTED
} TokenKind;

typedef struct
{
  TokenKind kind;
  GString *text;
} Token;

/* RFC 822 section 3.4.3: comments nest. */
static const char *
skip_comment (const char *at)
{
  guint depth = 0;

  do
    {
      if (*at == '\\' && at[1] != '\0')
        at++;
      else if (*at == '(')
        depth++;
      else if (*at == ')')
        depth--;
      at++;
    }
  while (depth > 0 && *at != '\0');
  return at;
}

static const char *
read_quoted (const char *at, GString *text)
{
  for (at++; *at != '\0' && *at != '"'; at++)
    {
      if (*at == '\\' && at[1] != '\0')
        at++;
      g_string_append_c (text, *at);
    }
  return *at == '"' ? at + 1 : at;
}

static const char *
read_token (const char *at, Token *token)
{
  gsize length;

  g_string_truncate (token->text, 0);
  if (*at == '"')
    {
      token->kind = TOKEN_QUOTED;
      return read_quoted (at, token->text);
    }
  token->kind = strchr (SPECIALS, *at) != NULL ? TOKEN_SPECIAL : TOKEN_WORD;
  length = token->kind == TOKEN_SPECIAL ? 1 : strcspn (at, SPECIALS " \t\r\n");
  g_string_append_len (token->text, at, (gssize) length);
  return at + length;
}

/* The tokens up to a semicolon, the first ones of which are kept; -1: there is nothing more. */
static gint
read_parameter (const char **at, Token *tokens)
{
  g_autoptr (GString) scratch = g_string_new (NULL);
  gint count = 0;

  if (**at == '\0')
    return -1;
  while (**at != '\0')
    {
      Token spare = { TOKEN_WORD, scratch };

      if (g_ascii_isspace (**at))
        (*at)++;
      else if (**at == '(')
        *at = skip_comment (*at);
      else if (**at == ';')
        {
          (*at)++;
          break;
        }
      else
        {
          *at = read_token (*at, count < MOST_TOKENS ? &tokens[count] : &spare);
          count = MIN (count + 1, MOST_TOKENS);
        }
    }
  return count;
}

static gboolean
is_word (const Token *token, const char *text)
{
  return token->kind == TOKEN_WORD && g_ascii_strcasecmp (token->text->str, text) == 0;
}

static gboolean
is_special (const Token *token, char c)
{
  return token->kind == TOKEN_SPECIAL && *token->text->str == c;
}

static ContentKind
read_type (const Token *tokens, gint count, gboolean *digest)
{
  gboolean whole = count >= 3 && is_special (&tokens[1], '/');

  *digest = whole && is_word (&tokens[2], "digest");
  if (count <= 0 || is_word (&tokens[0], "text"))
    return CONTENT_OTHER;
  if (is_word (&tokens[0], "multipart"))
    return CONTENT_MULTIPART;
  if (is_word (&tokens[0], "message"))
    return whole && is_word (&tokens[2], "rfc822") ? CONTENT_MESSAGE : CONTENT_OTHER;
  return CONTENT_KEPT;
}

ContentKind
content_type_read (const char *value, ContentTypeBoundary func, gpointer data)
{
  Token tokens[MOST_TOKENS];
  ContentKind kind;
  gboolean digest;
  gint count;

  for (guint i = 0; i < MOST_TOKENS; i++)
    tokens[i] = (Token){ TOKEN_WORD, g_string_new (NULL) };
  count = read_parameter (&value, tokens);
  kind = read_type (tokens, count, &digest);
  while (kind == CONTENT_MULTIPART && (count = read_parameter (&value, tokens)) >= 0)
    if (count >= 3 && is_word (&tokens[0], "boundary") && is_special (&tokens[1], '='))
      func (tokens[2].text->str, digest, data);
  for (guint i = 0; i < MOST_TOKENS; i++)
    g_string_free (tokens[i].text, TRUE);
  return kind;
}
