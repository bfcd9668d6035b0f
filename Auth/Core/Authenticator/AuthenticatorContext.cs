using Masquerade.Auth.Eapol;
using Masquerade.Core.Flow;

namespace Masquerade.Auth.Authenticator;

/// <summary>What the ports of a table have in common.</summary>
internal sealed class AuthenticatorContext(AuthenticatorConfig config, IAuthenticatorOutput output, ulong firstExchange)
{
    private readonly byte[] _pdu = new byte[EapolFrame.HeaderLength + Math.Max(config.MaxEapToClient, 512)];
    private ulong _exchange = firstExchange;

    public AuthenticatorConfig Config { get; } = config;

    public AuthenticatorStats Stats { get; } = new();

    public IAuthenticatorOutput Output { get; } = output;

    /// <summary>A number that no exchange had; never 0.</summary>
    public ulong NextExchange()
    {
        if (++_exchange == 0)
        {
            _exchange = 1;
        }

        return _exchange;
    }

    /// <summary>Sends an EAP packet that is known to fit.</summary>
    public void SendEap(MacAddress client, ReadOnlySpan<byte> eap)
    {
        if (EapolFrame.TryWrite(_pdu, Config.Version, EapolType.Packet, eap, out var written))
        {
            Output.SendEapol(client, _pdu.AsSpan(0, written));
            Stats.EapolFramesTx++;
        }
    }
}
