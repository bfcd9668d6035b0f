using System.Formats.Asn1;
using System.Net;
using System.Security.Cryptography.X509Certificates;

namespace Masquerade.Pki;

/// <summary>What a certificate says beyond what the runtime reads by itself.</summary>
internal static class CertificateDetails
{
    private const string SubjectAlternativeName = "2.5.29.17";

    /// <summary>Tags of GeneralName, RFC 5280 section 4.2.1.6.</summary>
    private static readonly Asn1Tag DnsTag = new(TagClass.ContextSpecific, 2);
    private static readonly Asn1Tag UriTag = new(TagClass.ContextSpecific, 6);
    private static readonly Asn1Tag AddressTag = new(TagClass.ContextSpecific, 7);

    /// <summary>The serial number in hexadecimal, without leading zeros: the form in which numbers are compared and shown.</summary>
    public static string Serial(X509Certificate2 certificate) => Serial(certificate.SerialNumberBytes.Span);

    /// <summary>The same of a serial number's octets, the highest first.</summary>
    public static string Serial(ReadOnlySpan<byte> number)
    {
        var text = Convert.ToHexStringLower(number).TrimStart('0');
        return text.Length == 0 ? "0" : text;
    }

    /// <summary>The alternative names. False if they cannot be read; a certificate without any has none.</summary>
    public static bool TryReadNames(X509Certificate2 certificate, out AlternativeNames names)
    {
        var uris = new List<string>();
        var dns = new List<string>();
        var addresses = new List<IPAddress>();
        names = new AlternativeNames(uris, dns, addresses);
        foreach (var extension in certificate.Extensions)
        {
            if (extension.Oid?.Value is not SubjectAlternativeName)
            {
                continue;
            }

            try
            {
                var sequence = new AsnReader(extension.RawData, AsnEncodingRules.DER).ReadSequence();
                while (sequence.HasData)
                {
                    var tag = sequence.PeekTag();
                    if (tag.HasSameClassAndValue(UriTag))
                    {
                        uris.Add(sequence.ReadCharacterString(UniversalTagNumber.IA5String, UriTag));
                    }
                    else if (tag.HasSameClassAndValue(DnsTag))
                    {
                        dns.Add(sequence.ReadCharacterString(UniversalTagNumber.IA5String, DnsTag));
                    }
                    else if (tag.HasSameClassAndValue(AddressTag))
                    {
                        var octets = sequence.ReadOctetString(AddressTag);
                        if (octets.Length is not (4 or 16))
                        {
                            return false;
                        }

                        addresses.Add(new IPAddress(octets));
                    }
                    else
                    {
                        sequence.ReadEncodedValue();
                    }
                }
            }
            catch (AsnContentException)
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>The one identity that a certificate carries; null if it carries none, several, or what cannot be read.</summary>
    public static SiteIdentity? IdentityOf(X509Certificate2 certificate)
    {
        if (!TryReadNames(certificate, out var names))
        {
            return null;
        }

        SiteIdentity? found = null;
        foreach (var uri in names.Uris)
        {
            if (!SiteIdentity.TryParse(uri, out var identity) || found is not null)
            {
                return null;
            }

            found = identity;
        }

        return found;
    }
}

/// <summary>The alternative names of a certificate.</summary>
/// <param name="Uris">URIs.</param>
/// <param name="Dns">DNS names.</param>
/// <param name="Addresses">IP addresses.</param>
internal sealed record AlternativeNames(IReadOnlyList<string> Uris, IReadOnlyList<string> Dns, IReadOnlyList<IPAddress> Addresses)
{
    /// <summary>Whether a host, a name or an address as text, is among them. Wildcards are not understood: a site's coordinators have names.</summary>
    public bool Cover(string host) =>
        IPAddress.TryParse(host, out var address)
            ? Addresses.Contains(address)
            : Dns.Any(d => string.Equals(d.TrimEnd('.'), host.TrimEnd('.'), StringComparison.OrdinalIgnoreCase));
}
