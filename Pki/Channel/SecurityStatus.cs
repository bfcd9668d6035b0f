using System.Text.Json;

namespace Masquerade.Pki.Channel;

/// <summary>Writes how a node's credentials stand, for its state document. Nothing in it is secret.</summary>
public static class SecurityStatus
{
    /// <summary>Writes an object's members: the own certificate, the authorities, the revocation lists, with the seconds that each has left.</summary>
    public static void Write(Utf8JsonWriter json, CredentialStore store)
    {
        var (current, now) = (store.Current, store.Now);
        json.WriteStartObject("certificate");
        json.WriteString("identity", current.Identity.Uri);
        json.WriteString("serial", current.Serial);
        json.WriteString("notAfter", current.NotAfter.UtcDateTime);
        json.WriteNumber("expiresInSeconds", Seconds(current.NotAfter - now));
        json.WriteEndObject();
        json.WriteStartArray("authorities");
        foreach (var authority in current.Trust.Authorities)
        {
            json.WriteStartObject();
            json.WriteString("subject", authority.Subject);
            json.WriteNumber("expiresInSeconds", Seconds(new DateTimeOffset(authority.NotAfter) - now));
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteStartArray("revocationLists");
        foreach (var list in current.Trust.Lists)
        {
            json.WriteStartObject();
            json.WriteString("number", list.Number.ToString(System.Globalization.CultureInfo.InvariantCulture));
            json.WriteNumber("revoked", list.Count);
            json.WriteString("made", list.Made.UtcDateTime);
            if (list.Next is { } next)
            {
                json.WriteNumber("expiresInSeconds", Seconds(next - now));
            }

            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static long Seconds(TimeSpan span) => (long)span.TotalSeconds;
}
