using System.Diagnostics.CodeAnalysis;
using Masquerade.Auth.Keys;
using Masquerade.Core.Flow;

namespace Masquerade.Auth.Handshake;

/// <summary>
/// Whom a client has answered: the last few names and sessions that message 1, which anybody can forge, has brought up, newest first. A forged one does not put out the true one, and
/// there are never more than <see cref="Limit"/>.
/// </summary>
internal sealed class HandshakeCandidates : IDisposable
{
    /// <summary>How many are kept.</summary>
    public const int Limit = 4;

    private readonly List<AccessPointKey> _keys = new(Limit);

    public int Count => _keys.Count;

    public AccessPointKey this[int index] => _keys[index];

    /// <summary>Finds the key for a name and session or has it made; it becomes the newest, and the oldest goes if there are too many.</summary>
    public bool TryGet(SupplicantKeys keys, NodeId node, SessionId session, [NotNullWhen(true)] out AccessPointKey? key)
    {
        var index = _keys.FindIndex(known => known.Node == node && known.Session == session);
        if (index >= 0)
        {
            key = _keys[index];
            _keys.RemoveAt(index);
            _keys.Insert(0, key);
            return true;
        }

        if (!keys.TryDerive(node, session, out key))
        {
            return false;
        }

        if (_keys.Count == Limit)
        {
            _keys[^1].Dispose();
            _keys.RemoveAt(Limit - 1);
        }

        _keys.Insert(0, key);
        return true;
    }

    public void Dispose()
    {
        foreach (var key in _keys)
        {
            key.Dispose();
        }

        _keys.Clear();
    }
}
