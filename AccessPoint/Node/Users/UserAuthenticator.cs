namespace Masquerade.AccessPoint.Users;

/// <summary>Who speaks EAP with clients on this link (decision 41).</summary>
public enum UserAuthenticator
{
    /// <summary>This access point's own authenticator.</summary>
    Agent,

    /// <summary>
    /// Somebody else on the same link: hostapd, or the switch in front. Two authenticators on one link would each ask the client, and each end what the other has begun; so this one asks nobody,
    /// answers no Start and believes no Logoff. What is known of users comes from the coordinator (RADIUS proxy).
    /// </summary>
    Link,
}
