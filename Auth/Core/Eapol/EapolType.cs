namespace Masquerade.Auth.Eapol;

/// <summary>Packet types of EAPOL (IEEE 802.1X-2020 table 11-3). Other values exist on the wire and are kept as they are.</summary>
public enum EapolType : byte
{
    /// <summary>An EAP packet (EAPOL-EAP).</summary>
    Packet = 0,

    /// <summary>A supplicant asks to be authenticated.</summary>
    Start = 1,

    /// <summary>A supplicant ends its session.</summary>
    Logoff = 2,

    /// <summary>A key descriptor: see <see cref="EapolKeyFrame"/>.</summary>
    Key = 3,

    /// <summary>An encapsulated ASF alert.</summary>
    EncapsulatedAsfAlert = 4,

    /// <summary>MACsec key agreement.</summary>
    Mka = 5,

    /// <summary>An announcement to everybody.</summary>
    AnnouncementGeneric = 6,

    /// <summary>An announcement to one receiver.</summary>
    AnnouncementSpecific = 7,

    /// <summary>A request for an announcement.</summary>
    AnnouncementRequest = 8,
}
