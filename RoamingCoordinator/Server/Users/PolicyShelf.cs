using System.Text;
using Masquerade.Auth.Filter;
using Masquerade.Core.Control;

namespace Masquerade.RoamingCoordinator.Server.Users;

/// <summary>The texts of policies by their names, as access points ask for them. Bounded: the oldest goes, and is there again when it is resolved again.</summary>
/// <param name="added">Keeps a text where other coordinators find it; null: there are none.</param>
/// <param name="time">The time.</param>
internal sealed class PolicyShelf(Action<Octets, ReadOnlyMemory<byte>>? added = null, TimeProvider? time = null)
{
    /// <summary>A text that is still named is put where the others find it again after this: its time there has run on since, or that store has been emptied.</summary>
    public static readonly TimeSpan Again = TimeSpan.FromMinutes(5);

    private const int MaxTexts = 4_096;

    private readonly Dictionary<Octets, Octets> _texts = [];
    private readonly Queue<Octets> _order = new();
    private readonly Dictionary<Octets, long> _told = [];
    private readonly TimeProvider _time = time ?? TimeProvider.System;

    /// <summary>The name of a policy's text; null if it is longer than a message may be.</summary>
    public Octets? NameOf(FilterPolicy policy)
    {
        var name = new Octets(policy.Digest.Span);
        if (_texts.TryGetValue(name, out var known))
        {
            Tell(name, known);
            return name;
        }

        var text = Encoding.UTF8.GetBytes(policy.Text);
        if (text.Length > ControlLimits.MaxPolicy)
        {
            return null;
        }

        Put(name, new Octets(text));
        Tell(name, _texts[name]);
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
            var oldest = _order.Dequeue();
            _texts.Remove(oldest);
            _told.Remove(oldest);
        }

        _texts[name] = text;
        _order.Enqueue(name);
    }

    /// <summary>The text of that name; empty if there is none.</summary>
    public Octets Find(Octets name) => _texts.GetValueOrDefault(name, Octets.Empty);

    private void Tell(Octets name, Octets text)
    {
        if (added is not null && (!_told.TryGetValue(name, out var at) || _time.GetElapsedTime(at) >= Again))
        {
            _told[name] = _time.GetTimestamp();
            added(name, text.Span.ToArray());
        }
    }
}
