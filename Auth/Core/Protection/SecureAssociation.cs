using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Masquerade.Auth.Protection;

/// <summary>One key in use: its cipher, its number to send next and its replay window. They live and die together, so no counter can go back while the key is there.</summary>
internal sealed class SecureAssociation : IDisposable
{
    /// <summary>Octets of the initial vector: SCI ‖ packet number (IEEE 802.1AE-2018 clause 14.5).</summary>
    private const int IvLength = Sci.Length + sizeof(uint);

    private readonly AesGcm _gcm;

    public SecureAssociation(ReadOnlySpan<byte> key, in LinkAssociation association, int window)
    {
        _gcm = new AesGcm(key, SecTag.IcvLength);
        Association = association;
        NextTransmit = association.FirstTransmit;
        Window = new ReplayWindow(window, association.FirstReceive);
    }

    public LinkAssociation Association { get; }

    public ReplayWindow Window { get; }

    /// <summary>The packet number to send next; above 32 bits there is none.</summary>
    public ulong NextTransmit { get; private set; }

    /// <summary>Writes the protected form of a frame; the packet number is gone whatever comes of it.</summary>
    public ProtectionDrop Seal(ReadOnlySpan<byte> frame, Span<byte> output)
    {
        if (NextTransmit > uint.MaxValue)
        {
            return ProtectionDrop.PacketNumbersExhausted;
        }

        var number = (uint)NextTransmit++;
        var data = frame[SecTag.AddressLength..];
        frame[..SecTag.AddressLength].CopyTo(output);
        SecTag.Write(output, Association.KeyNumber, number, Association.Transmit, data.Length);
        Span<byte> iv = stackalloc byte[IvLength];
        WriteIv(iv, Association.Transmit, number);
        _gcm.Encrypt(iv, data, output.Slice(SecTag.ExplicitHeader, data.Length), output.Slice(SecTag.ExplicitHeader + data.Length, SecTag.IcvLength),
            output[..SecTag.ExplicitHeader]);
        return ProtectionDrop.None;
    }

    /// <summary>Writes the frame inside a protected one, if it is genuine and new.</summary>
    public ProtectionDrop Open(ReadOnlySpan<byte> frame, in SecTag tag, Span<byte> output)
    {
        var late = Window.Check(tag.PacketNumber);
        if (late != ProtectionDrop.None)
        {
            return late;
        }

        Span<byte> iv = stackalloc byte[IvLength];
        WriteIv(iv, tag.Sender, tag.PacketNumber);
        var data = output.Slice(SecTag.AddressLength, tag.DataLength);
        try
        {
            _gcm.Decrypt(iv, frame.Slice(tag.HeaderLength, tag.DataLength), frame.Slice(tag.HeaderLength + tag.DataLength, SecTag.IcvLength), data, frame[..tag.HeaderLength]);
        }
        catch (AuthenticationTagMismatchException)
        {
            // The runtime has zeroed what it had decrypted.
            return ProtectionDrop.Forged;
        }

        Window.Take(tag.PacketNumber);
        frame[..SecTag.AddressLength].CopyTo(output);
        return ProtectionDrop.None;
    }

    public void Dispose() => _gcm.Dispose();

    private static void WriteIv(Span<byte> iv, Sci sender, uint packetNumber)
    {
        sender.WriteTo(iv);
        BinaryPrimitives.WriteUInt32BigEndian(iv[Sci.Length..], packetNumber);
    }
}
