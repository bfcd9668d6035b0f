using System.Text;
using Masquerade.Auth.Filter;
using Masquerade.Core.Control;

namespace Masquerade.RoamingCoordinator.Server.Users;

/// <summary>The texts of policies by their names, as access points ask for them. Bounded: the oldest goes, and is there again when it is resolved again.</summary>
internal sealed class PolicyShelf(Action<Octets, ReadOnlyMemory<byte>>? added = null)
{
    private const int MaxTexts = 4_096;

    private readonly Dictionary<Octets, Octets> _texts = [];
    private readonly Queue<Octets> _order = new();

    /// <summary>The name of a policy's text; null if it is longer than a message may be.</summary>
    public Octets? NameOf(FilterPolicy policy)
    {
        var name = new Octets(policy.Digest.Span);
        if (_texts.ContainsKey(name))
        {
            return name;
        }

        var text = Encoding.UTF8.GetBytes(policy.Text);
        if (text.Length > ControlLimits.MaxPolicy)
        {
            return null;
        }

        Put(name, new Octets(text));
        added?.Invoke(name, text);
        return name;
    }

    /// <summary>Puts a text there that another coordinator has named.</summary>
    public void Put(Octets name, Octets text)
    {
        if (_texts.ContainsKey(name))
        {
            return;
        }

        if (_order.Count >= MaxTexts)
        {
            _texts.Remove(_order.Dequeue());
        }

        _texts[name] = text;
        _order.Enqueue(name);
    }

    /// <summary>The text of that name; empty if there is none.</summary>
    public Octets Find(Octets name) => _texts.GetValueOrDefault(name, Octets.Empty);
}
