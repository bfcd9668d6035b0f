using System.Security.Cryptography;
using System.Text;
using Masquerade.Auth.Filter;
using Masquerade.Core.Control;

namespace Masquerade.RoamingCoordinator.Server.Users;

/// <summary>The texts of policies by their SHA-256, as access points ask for them. Bounded: what was used least lately goes, and is made again when it is resolved again.</summary>
internal sealed class PolicyShelf
{
    private const int MaxTexts = 4_096;

    private readonly Dictionary<string, Octets> _texts = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Octets> _names = new(StringComparer.Ordinal);
    private readonly Queue<string> _order = new();

    /// <summary>The name of a policy's text; null if it is longer than a message may be.</summary>
    public Octets? NameOf(FilterPolicy policy)
    {
        if (_names.TryGetValue(policy.Text, out var known))
        {
            return known;
        }

        var text = Encoding.UTF8.GetBytes(policy.Text);
        if (text.Length > ControlLimits.MaxPolicy)
        {
            return null;
        }

        var name = new Octets(SHA256.HashData(text));
        if (_order.Count >= MaxTexts && _order.TryDequeue(out var oldest))
        {
            _texts.Remove(Key(_names[oldest]));
            _names.Remove(oldest);
        }

        _names[policy.Text] = name;
        _texts[Key(name)] = new Octets(text);
        _order.Enqueue(policy.Text);
        return name;
    }

    /// <summary>The text of that name; empty if there is none.</summary>
    public Octets Find(Octets name) => _texts.GetValueOrDefault(Key(name), Octets.Empty);

    private static string Key(Octets name) => Convert.ToHexString(name.Span);
}
