/* See choose.h. Multiparts are followed as mail programs show them. */
#include "choose.h"

static Choice choose (GMimeObject *object, GPtrArray *parts);

static gboolean
is_type (GMimeObject *object, const char *type, const char *subtype)
{
  GMimeContentType *content = g_mime_object_get_content_type (object);

  return content != NULL && g_mime_content_type_is_type (content, type, subtype);
}

static gboolean
is_sealed (GMimeObject *object)
{
  return is_type (object, "multipart", "signed") || is_type (object, "multipart", "encrypted")
         || is_type (object, "application", "pkcs7-mime")
         || is_type (object, "application", "x-pkcs7-mime");
}

static gboolean
is_attachment (GMimeObject *object)
{
  GMimeContentDisposition *disposition = g_mime_object_get_content_disposition (object);
  const char *kind
      = disposition == NULL ? NULL : g_mime_content_disposition_get_disposition (disposition);

  return kind != NULL && g_ascii_strcasecmp (kind, "inline") != 0;
}

/* Every form of the same text. */
static Choice
choose_all (GMimeMultipart *multipart, GPtrArray *parts)
{
  Choice found = CHOICE_NOTHING;
  gint count = g_mime_multipart_get_count (multipart);

  for (gint i = 0; i < count; i++)
    {
      Choice choice = choose (g_mime_multipart_get_part (multipart, i), parts);

      if (choice == CHOICE_SEALED)
        return choice;
      if (choice == CHOICE_FOUND)
        found = choice;
    }
  return found;
}

static Choice
choose_first (GMimeMultipart *multipart, gint most, GPtrArray *parts)
{
  gint count = MIN (g_mime_multipart_get_count (multipart), most);

  for (gint i = 0; i < count; i++)
    {
      Choice choice = choose (g_mime_multipart_get_part (multipart, i), parts);

      if (choice != CHOICE_NOTHING)
        return choice;
    }
  return CHOICE_NOTHING;
}

static Choice
choose (GMimeObject *object, GPtrArray *parts)
{
  if (is_sealed (object))
    return CHOICE_SEALED;
  if (is_attachment (object))
    return CHOICE_NOTHING;
  if (is_type (object, "multipart", "report") || is_type (object, "multipart", "digest"))
    return CHOICE_REPORT;
  if (GMIME_IS_MULTIPART (object) && is_type (object, "multipart", "alternative"))
    return choose_all (GMIME_MULTIPART (object), parts);
  if (GMIME_IS_MULTIPART (object))
    return choose_first (GMIME_MULTIPART (object),
                         is_type (object, "multipart", "related") ? 1 : G_MAXINT, parts);
  if (!GMIME_IS_PART (object)
      || !(is_type (object, "text", "plain") || is_type (object, "text", "html")))
    return CHOICE_NOTHING;
  g_ptr_array_add (parts, object);
  return CHOICE_FOUND;
}

Choice
choose_parts (GMimeMessage *message, GPtrArray *parts)
{
  GMimeObject *root = g_mime_message_get_mime_part (message);

  return root == NULL ? CHOICE_NOTHING : choose (root, parts);
}
