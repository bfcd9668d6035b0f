using Masquerade.Core.Engine;
using Masquerade.Core.Flow;

namespace Masquerade.Fam;

/// <summary>Clients whose links carry less than others' because what protects their frames needs room.</summary>
public sealed partial class FamEngine
{
    /// <summary>Says how many octets of each frame a client's link needs for itself: its packets are that much smaller than <see cref="LinkMtu.Clients"/>.</summary>
    /// <param name="mac">The client; nothing happens if it is not known.</param>
    /// <param name="octets">0 or more.</param>
    public void SetLinkOverhead(MacAddress mac, int octets)
    {
        if (_clients.Find(mac) is >= 0 and var client)
        {
            _clients[client].LinkOverhead = octets;
            FastPath?.Void(client);
        }
    }

    private int ClientMtu(int client) => Mtu.Clients - _clients[client].LinkOverhead;
}
