using Masquerade.Core.Flow;

namespace Masquerade.Fam;

/// <summary>Connections with an application helper. They are few, and their streams large, so they stand beside the table.</summary>
internal sealed partial class FamTranslationTable
{
    private readonly Dictionary<int, HelpedStream> _streams = [];
    private readonly Dictionary<(int Client, IpAddress Server), List<int>> _helpedByServer = [];

    /// <summary>Connections that have an application helper.</summary>
    public int HelpedCount => _streams.Count;

    /// <summary>Gives a connection a helper, or another state of it.</summary>
    public void Help(int slot, HelpedStream stream)
    {
        ref var connection = ref _connections[slot];
        if (!connection.IsHelped)
        {
            var key = (_mappings[connection.Mapping].Client, connection.Tuple.Destination.Address);
            if (!_helpedByServer.TryGetValue(key, out var others))
            {
                _helpedByServer[key] = others = [];
            }

            others.Add(slot);
        }

        connection.IsHelped = true;
        _streams[slot] = stream;
    }

    /// <summary>The connections with a helper that a client has with a server, the latest last; null if it has none.</summary>
    public List<int>? HelpedWith(int client, IpAddress server) => _helpedByServer.GetValueOrDefault((client, server));

    /// <summary>What a connection that is helped has sent.</summary>
    public HelpedStream StreamOf(int slot) => _streams[slot];

    private void EndHelp(int slot)
    {
        _streams.Remove(slot);
        ref var connection = ref _connections[slot];
        var key = (_mappings[connection.Mapping].Client, connection.Tuple.Destination.Address);
        if (_helpedByServer.TryGetValue(key, out var others) && others.Remove(slot) && others.Count == 0)
        {
            _helpedByServer.Remove(key);
        }
    }
}
